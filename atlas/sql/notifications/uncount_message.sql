-- Give back the place of a message within the limit of an hour. Repeated after a lost connection, it gives back two.
UPDATE $schema.notifications SET notified = notified - 1 WHERE type = 'limit' AND notified > 0
