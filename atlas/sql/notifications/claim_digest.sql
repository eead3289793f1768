-- Claim the digest of a day; only one process gets a row. Repeated with the same token after a lost connection, it
-- claims again. $1 token, $2 the moment (real time) from which on this digest is due
INSERT INTO $schema.notifications AS known (type, subject, notified_at, token) VALUES ('digest', '', now(), $1)
ON CONFLICT (type, subject) DO UPDATE SET notified_at = now(), token = excluded.token
WHERE known.notified_at < $2 OR known.token = excluded.token
RETURNING token
