-- Delete events that name videos or channels; from an event with a list of ids (`ids`) remove only these.
-- $1 numbers of the events, $2 ids
WITH named AS (
    SELECT id, CASE WHEN jsonb_typeof(payload -> 'ids') = 'array' THEN payload -> 'ids' ELSE '[]' END AS ids
    FROM $schema.events WHERE id = ANY ($1::bigint[]) ORDER BY id FOR UPDATE
), shorter AS (
    SELECT named.id, jsonb_agg(item.value ORDER BY item.number) AS ids
    FROM named, jsonb_array_elements(named.ids) WITH ORDINALITY AS item (value, number)
    WHERE item.value #>> '{}' <> ALL ($2::text[])
    GROUP BY named.id, named.ids
    HAVING count(*) < jsonb_array_length(named.ids)
), changed AS (
    UPDATE $schema.events AS event SET payload = jsonb_set(event.payload, '{ids}', shorter.ids)
    FROM shorter WHERE event.id = shorter.id
)
DELETE FROM $schema.events AS event USING named
WHERE event.id = named.id AND NOT EXISTS (SELECT FROM shorter WHERE shorter.id = named.id)
