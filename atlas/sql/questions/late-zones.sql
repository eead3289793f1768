-- Which zones are read late? A promise is broken when a reading comes half an interval after its due time; by the
-- server's clock.
SELECT zone.number AS zone, zone.span AS interval, count(*) AS videos, count(*) FILTER (WHERE due_at <= now()) AS due,
    count(*) FILTER (WHERE due_at <= now() - zone.span / 2) AS late,
    greatest(now() - min(due_at), interval '0') AS longest_overdue
FROM (VALUES (1, interval '1 hour'), (2, interval '6 hours'), (3, interval '1 day')) AS zone (number, span)
JOIN $schema.videos ON videos.zone = zone.number AND videos.due_at IS NOT NULL
GROUP BY zone.number, zone.span
ORDER BY zone.number
