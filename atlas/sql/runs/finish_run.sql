-- Write how a run ended, and its events. Repeated after a lost connection, it writes nothing twice.
WITH ended AS (
    UPDATE $schema.runs
    SET finished_at = :finished_at, outcome = :outcome, exit_code = :exit_code, stats = :stats, error = :error
    WHERE id = :id AND finished_at IS NULL
    RETURNING id
)
INSERT INTO $schema.events (at, type, run, payload)
SELECT :at, event.type, ended.id, event.payload
FROM ended, unnest(:types::text[], :payloads::jsonb[]) WITH ORDINALITY AS event (type, payload, number) ORDER BY number
