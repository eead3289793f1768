"""What the Hunter asks of the database: topics and their rounds, videos, tags, and what is unfinished."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from atlas import events, policy
from atlas.adapters.claims import Claims
from atlas.adapters.rows import Ingested, TargetRow, TopicRow, TopicStatus
from atlas.clock import clock
from atlas.config import settings
from atlas.resources import Video
from atlas.statements import sql
from atlas.tickets import NO_CALLS, Calls
from atlas.times import iso

__all__ = ["Hunting"]

_PROMOTED_AT_ONCE = 5_000  # topics made claimable by one claim: bounds its cost after a long pause
_TAG_SEPARATOR = "\x1f"


class Hunting(Claims):
    """The Hunter's half of MaiaDAO."""

    async def fetch_hunter_batch(self, batch_size: int = 10) -> list[TopicRow]:
        """Claims topics that are due, first those that rank first, each with the window of its round.

        A round starts where the last one ended, no further back than HUNTER_PUBLISHED_WITHIN_HOURS. A page
        token older than 12 h is dropped with its window; the gap is an event ``search_gap``.
        """
        now = self._now()
        await self._db.fetch(sql("promote_topics"), now, _PROMOTED_AT_ONCE)
        token = uuid.uuid4()
        lease = settings.hunter_lease_seconds
        records = await self._db.fetch(sql("claim_topics"), batch_size, lease, token, self.shard)
        rows = [cast("TopicRow", dict(record)) for record in records]
        rows.sort(
            key=lambda r: (-r["priority"], r["last_searched_at"] is not None, r["last_searched_at"] or now, r["id"])
        )
        self._topics.update((row["id"], row) for row in rows)
        for row in rows:
            searched = row["last_searched_at"]
            if row["next_page_token"] and searched and now - searched > policy.TOKEN_MAX_AGE:
                await self._drop_window(row, "page token older than 12 h")
            if row["published_before"] is None:
                await self._open_window(row, now)
        return rows

    async def _open_window(self, row: TopicRow, now: datetime) -> None:
        """A new round begins where the last one ended; what lies further back than the window will not be read."""
        oldest = now - timedelta(hours=settings.hunter_published_within_hours)
        ended = row["round_ended_at"]
        row["published_after"] = max(ended or oldest, oldest)
        row["published_before"] = now
        if ended is not None and ended < oldest:
            await events.emit(
                events.EventType.SEARCH_GAP,
                topic=row["id"],
                query_term=row["query_term"],
                published_after=ended,
                published_before=oldest,
                pages_read=0,
                reason="the topic rested for longer than the window",
                store=self._db,
            )

    async def _drop_window(self, row: TopicRow, reason: str) -> None:
        async def write() -> bool:
            async with self._db.transaction():
                if not await self._db.fetch(sql("drop_window"), row["id"], row["lease_token"]):
                    return False
                await events.emit(
                    events.EventType.SEARCH_GAP,
                    topic=row["id"],
                    query_term=row["query_term"],
                    published_after=row["published_after"],
                    published_before=row["published_before"],
                    pages_read=row["page"],
                    reason=reason,
                    store=self._db,
                )
            return True

        if not await self.patiently(write):
            return
        before = row.copy()
        self._db.on_rollback(lambda: row.update(before))
        row["round_ended_at"] = row["published_before"]
        row["next_page_token"] = row["published_after"] = row["published_before"] = None
        row["page"] = row["restarts"] = 0

    async def why_no_topics(self) -> str:
        """One line for people: why a claim came back empty, and what to do."""
        outlook = (await self._db.fetch(sql("queue_outlook")))[0]
        if not outlook["queries"]:
            return 'the search queue is empty: fill it with `maia queue add "your query"`'
        if outlook["queries"] == outlook["paused"]:
            return 'every query is paused: `maia queue add "query"` resumes one'
        if outlook["leased"]:
            return f"{outlook['leased']} due queries are held by other shards"
        due = outlook["next_due"]
        return f"no query is due before {iso(due, 'minutes')}" if due else "no query is due"

    async def known_videos(self, ids: Sequence[str]) -> frozenset[str]:
        """Those of the ids that are stored with their metadata: enriching them would cost a call for nothing."""
        return frozenset(record["id"] for record in await self._db.fetch(sql("known_videos"), list(ids)))

    async def ingest_video_metadata(
        self,
        video_data: Video | Mapping[str, Any] | Sequence[Video | Mapping[str, Any]],
        *,
        observed_at: Mapping[str, datetime] | None = None,
    ) -> Ingested:
        """Stores videos, their channels and first snapshots; known ones are refreshed.

        Args:
            video_data: one video resource of the API or a sequence of them, as parsed or as it came. One without a
                usable id raises ValueError.
            observed_at: id → when YouTube said so (schedule clock, UTC), for what comes from the archive; now for all
                others.
        """
        given = [video_data] if isinstance(video_data, Video | Mapping) else list(video_data)
        parsed = (item if isinstance(item, Video) else Video.from_resource(item) for item in given)
        videos = sorted({video.id: video for video in parsed}.values(), key=lambda video: video.id)
        if not videos:
            return Ingested(frozenset(), frozenset())
        now = self._now()
        observed = [(observed_at or {}).get(video.id, now) for video in videos]
        plan = [policy.schedule(v.published_at or at, now) for v, at in zip(videos, observed, strict=True)]
        records = await self._db.fetch(
            sql("ingest_videos"),
            [v.id for v in videos],
            [v.channel_id for v in videos],
            [v.channel_title for v in videos],
            [v.title for v in videos],
            [v.published_at for v in videos],
            [_joined_tags(v) for v in videos],
            [v.category_id for v in videos],
            [v.duration for v in videos],
            [zone for zone, _ in plan],
            # its first due time is its first snapshot plus the interval: a partial video has none yet
            [None if v.partial else due - (now - at) for v, (_, due), at in zip(videos, plan, observed, strict=True)],
            [not v.partial for v in videos],
            [v.views for v in videos],
            [v.likes for v in videos],
            [v.comments for v in videos],
            observed,
        )
        return Ingested(
            frozenset(record["id"] for record in records if record["created"]),
            frozenset(record["id"] for record in records if record["newly_enriched"]),
            now,
        )

    async def lock_videos(self, ids: Iterable[str]) -> frozenset[str]:
        """Locks rows in the order of their keys: first in a transaction that writes them by several statements.

        Returns:
            those that are there: a claimed video that was deleted meanwhile must not be ingested again.
        """
        return frozenset(record["id"] for record in await self._db.fetch(sql("lock_videos"), list(ids)))

    async def queue_room(self) -> int:
        """How many more queries the queue may take (HUNTER_MAX_QUEUE)."""
        limit = settings.hunter_max_queue
        rows = await self._db.fetch(sql("queue_size"), limit)
        return limit - int(rows[0]["size"])

    async def add_to_search_queue(
        self, tags: Iterable[str], *, most_new: int | None = None, topic: str | None = None
    ) -> int:
        """Feeds tags back as queries.

        Args:
            tags: normalised tags; one that stands n times is mentioned by n videos. A known one gains its mentions.
            most_new: how many may become new queries, the most mentioned first; None: all.
            topic: the query whose row the same transaction updates: it is locked in order with the others.

        Returns:
            the number of new queries.
        """
        mentions = Counter(tags)
        if topic is not None:
            mentions.setdefault(topic, 0)
        if not mentions:
            return 0
        room = len(mentions) if most_new is None else max(most_new, 0)
        rows = await self._db.fetch(sql("add_tags"), list(mentions), list(mentions.values()), room, self._now())
        return int(rows[0]["added"])

    async def update_search_state(
        self,
        topic_id: int,
        next_token: str | None,
        count: int,
        status: TopicStatus | str,
        *,
        new: int = 0,
        read: bool = True,
        calls: Calls = NO_CALLS,
    ) -> bool:
        """Writes how far a claimed topic is, and ends its lease.

        Args:
            topic_id: of a topic that this DAO claimed.
            next_token: the next page's token, with ``active``.
            count: results on this page.
            status: ``active``: another page follows; ``waiting``: read through, due again after an interval that grows
                when the round brought nothing new.
            new: how many of them were new videos.
            read: whether the window was read; if not, the next round begins where this one did.
            calls: what the page and its videos were asked by, which the same statement settles (``KeyRing.settling``).

        Returns:
            whether it was written: False if the lease had passed to another shard.
        """
        row = self._topics.get(topic_id)
        if row is None:
            if calls.days:
                await self._db.fetch(sql("settle_calls"), *calls, [0] * len(calls.days))
            return False
        now = self._now()
        due = None
        if status == TopicStatus.WAITING:
            barren = 0 if row["round_new"] + new else row["barren_rounds"] + 1
            due = now + policy.topic_interval(barren)
        written = await self._db.fetch(
            sql("advance_topic"), topic_id, row["lease_token"], str(status), next_token, now, count, new,
            row["published_after"], row["published_before"] if read else None, due, *calls,
        )  # fmt: skip
        self._forget([topic_id])
        return bool(written)

    async def restart_round(self, topic_id: int) -> bool:
        """The page token was refused: the same window is read again from its first page, once.

        The second time the round ends there, and the gap is an event. Returns whether the lease was still held.
        """
        row = self._topics.get(topic_id)
        if row is None:
            return False
        if row["restarts"]:

            async def end() -> bool:
                async with self.transaction():
                    await self._drop_window(row, "page token refused twice")
                    return await self.update_search_state(topic_id, None, 0, TopicStatus.WAITING)

            return await self.patiently(end)
        written = await self._db.fetch(sql("restart_round"), topic_id, row["lease_token"])
        self._forget([topic_id])
        return bool(written)

    async def fetch_unfinished(self, batch_size: int, *, archive: bool) -> list[TargetRow]:
        """Claims videos stored without their metadata and, with ``archive``, those that were never archived."""
        now = self._now()
        lease, token = settings.hunter_lease_seconds, uuid.uuid4()
        records = await self._db.fetch(
            sql("claim_unfinished"), batch_size, now - policy.ARCHIVE_AFTER, lease, token, self.shard, archive,
            now - policy.ABSENCE_SPACING,
        )  # fmt: skip
        return self._claimed(records)

    async def mark_archived(self, ids: Iterable[str] | Mapping[str, datetime]) -> frozenset[str]:
        """The archive holds these videos now or, where a time is given for each, since then.

        Returns:
            those that have a row: the others were deleted meanwhile.
        """
        times = dict(ids) if isinstance(ids, Mapping) else dict.fromkeys(ids, clock.now())
        if not times:
            return frozenset()
        rows = await self._db.fetch(sql("mark_archived"), list(times), list(times.values()))
        return frozenset(row["id"] for row in rows)


def _joined_tags(video: Video) -> str | None:
    """The tags as one text that the statement splits again: a ragged array of arrays cannot be a parameter."""
    if video.partial:
        return None
    return _TAG_SEPARATOR.join(tag.replace(_TAG_SEPARATOR, " ") for tag in video.tags)
