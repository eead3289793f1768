"""MaiaDAO: every statement that the agents need, behind methods that read like their work.

A claim gives a lease with a token. What says how far the work is (page token, due time, tracker updates) is written
only where the token is still this DAO's: a shard that is late writes nothing there, and is told so. Videos, tags and
first snapshots are idempotent and always kept.
"""

from __future__ import annotations

import contextlib
import contextvars
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from atlas import events, policy
from atlas.adapters.rows import Ingested, Presence, TargetRow, TopicRow, TopicStatus, VideoUpdate
from atlas.clock import clock
from atlas.config import settings
from atlas.database import Database, database
from atlas.resources import Video
from atlas.statements import sql

__all__ = ["MaiaDAO"]

T = TypeVar("T")

_PROMOTED_AT_ONCE = 5_000  # topics made claimable by one claim: bounds its cost after a long pause
_ARCHIVE_AFTER = policy.ZONES[0].interval  # younger videos may still be in another shard's buffer
_TAG_SEPARATOR = "\x1f"


@dataclass
class _Open:
    """A transaction of a DAO: the one schedule time that all of it is written with, and the leases that end with it."""

    now: datetime
    done: list[int | str] = field(default_factory=list)


class MaiaDAO:
    """The agents' way to the database. Constructing it does no I/O.

    Args:
        shard: named in leases, such as ``hunter 0/4``.
        store: another database than the process's own, for tests.
    """

    def __init__(self, shard: str = "", store: Database | None = None) -> None:
        self.shard = shard
        self.retired = 0
        """Videos that this DAO's updates retired."""
        self._db = store or database
        self._topics: dict[int, TopicRow] = {}
        self._videos: dict[str, TargetRow] = {}
        self._aside: set[int | str] = set()
        self._within: contextvars.ContextVar[_Open | None] = contextvars.ContextVar("within", default=None)

    # ── transactions ────────────────────────────────────────────────────────────────────────────────────────────────

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """The calls inside commit together or not at all, and bear one time; outside, each commits alone."""
        this = _Open(self._now())
        token = self._within.set(this)
        try:
            async with self._db.transaction():
                yield
        finally:
            self._within.reset(token)
        self._forget(this.done)

    def _now(self) -> datetime:
        within = self._within.get()
        return within.now if within is not None else clock.now()

    async def patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Does a whole transaction, again if the database was lost in it, within bounded patience (see Database)."""
        return await self._db.patiently(work)

    def _forget(self, finished: Iterable[int | str]) -> None:
        """These leases have ended; inside a transaction only once it has committed."""
        within = self._within.get()
        if within is not None:
            within.done.extend(finished)
            return
        for key in finished:
            if isinstance(key, int):
                self._topics.pop(key, None)
            else:
                self._videos.pop(key, None)

    def hold_topic(self, topic: TopicRow) -> None:
        """Takes over a topic's lease from the DAO that claimed it: its row holds the token."""
        self._topics.setdefault(topic["id"], topic)

    def hold_targets(self, targets: Iterable[TargetRow]) -> None:
        """Takes over videos' leases from the DAO that claimed them: their rows hold the tokens."""
        for target in targets:
            self._videos.setdefault(target["id"], target)

    def set_aside(self, ids: Iterable[int | str]) -> None:
        """Keeps these claims after the cycle: what failed must not be claimed first again.

        They end with their lease, or with ``release_aside``.
        """
        self._aside.update(ids)

    async def release_claims(self) -> int:
        """Gives back the rows that this DAO still holds, so that another shard may take them now. Returns how many.

        Those that were set aside are kept.
        """
        held: set[int | str] = set(self._topics)
        held.update(self._videos)
        return await self._release(held - self._aside)

    async def release_aside(self) -> int:
        """Gives back what was set aside, at the end of a process. Returns how many."""
        aside, self._aside = self._aside, set()
        return await self._release(aside)

    async def _release(self, ids: set[int | str]) -> int:
        topics = [row for id_, row in self._topics.items() if id_ in ids]
        videos = [row for id_, row in self._videos.items() if id_ in ids]
        released = 0
        if topics:
            arguments = [row["id"] for row in topics], [row["lease_token"] for row in topics]
            released += len(await self._db.fetch(sql("release_topics"), *arguments))
        if videos:
            pairs = [row["id"] for row in videos], [row["lease_token"] for row in videos]
            released += len(await self._db.fetch(sql("release_videos"), *pairs))
        self._forget([*(row["id"] for row in topics), *(row["id"] for row in videos)])
        return released

    # ── Hunter ──────────────────────────────────────────────────────────────────────────────────────────────────────

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
        return f"no query is due before {due:%Y-%m-%d %H:%M} UTC" if due else "no query is due"

    async def known_videos(self, ids: Sequence[str]) -> frozenset[str]:
        """Those of the ids that are stored with their metadata: enriching them would cost a call for nothing."""
        return frozenset(record["id"] for record in await self._db.fetch(sql("known_videos"), list(ids)))

    async def ingest_video_metadata(
        self, video_data: Video | Mapping[str, Any] | Sequence[Video | Mapping[str, Any]]
    ) -> Ingested:
        """Stores videos, their channels and first snapshots; known ones are refreshed.

        Args:
            video_data: one video resource of the API or a sequence of them, as parsed or as it came. One without a
                usable id raises ValueError.
        """
        given = [video_data] if isinstance(video_data, Video | Mapping) else list(video_data)
        parsed = (item if isinstance(item, Video) else Video.from_resource(item) for item in given)
        videos = sorted({video.id: video for video in parsed}.values(), key=lambda video: video.id)
        if not videos:
            return Ingested(frozenset(), frozenset())
        now = self._now()
        plan = [policy.schedule(video.published_at or now, now) for video in videos]
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
            [None if v.partial else due for v, (_, due) in zip(videos, plan, strict=True)],
            [not v.partial for v in videos],
            [v.views for v in videos],
            [v.likes for v in videos],
            [v.comments for v in videos],
            now,
        )
        return Ingested(
            frozenset(record["id"] for record in records if record["created"]),
            frozenset(record["id"] for record in records if record["newly_enriched"]),
        )

    async def lock_videos(self, ids: Iterable[str]) -> None:
        """Locks rows in the order of their keys: first in a transaction that writes them by several statements."""
        await self._db.fetch(sql("lock_videos"), list(ids))

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

        Returns:
            whether it was written: False if the lease had passed to another shard.
        """
        row = self._topics.get(topic_id)
        if row is None:
            return False
        now = self._now()
        due = None
        if status == TopicStatus.WAITING:
            barren = 0 if row["round_new"] + new else row["barren_rounds"] + 1
            due = now + policy.topic_interval(barren)
        written = await self._db.fetch(
            sql("advance_topic"), topic_id, row["lease_token"], str(status), next_token, now, count, new,
            row["published_after"], row["published_before"] if read else None, due,
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
            sql("claim_unfinished"), batch_size, now - _ARCHIVE_AFTER, lease, token, self.shard, archive,
            now - policy.ABSENCE_SPACING,
        )  # fmt: skip
        return self._claimed(records)

    async def mark_archived(self, ids: Iterable[str]) -> None:
        """The archive holds these videos now."""
        known = list(ids)
        if known:
            await self._db.fetch(sql("mark_archived"), known, clock.now())

    # ── Tracker ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def fetch_tracker_targets(self, batch_size: int = 50) -> list[TargetRow]:
        """Claims videos that are due: zone 1 before 2 before 3, in each the longest due first."""
        return self._claimed(
            await self._db.fetch(
                sql("claim_videos"), batch_size, clock.now(), settings.tracker_lease_seconds, uuid.uuid4(), self.shard
            )
        )

    def _claimed(self, records: Sequence[Any]) -> list[TargetRow]:
        rows = [cast("TargetRow", dict(record)) for record in records]
        rows.sort(key=lambda row: (row["zone"], row["due_at"] or row["first_seen_at"], row["id"]))
        self._videos.update((row["id"], row) for row in rows)
        return rows

    async def why_no_targets(self) -> str:
        """One line for people: why a claim of videos came back empty, and what to do."""
        outlook = (await self._db.fetch(sql("tracking_outlook")))[0]
        if not outlook["any_video"]:
            return "there are no videos yet: run the Hunter first (`maia hunter`)"
        due = outlook["next_due"]
        return f"no video is due before {due:%Y-%m-%d %H:%M} UTC" if due else "no video is due"

    async def fetch_witnesses(self, number: int = 5) -> list[str]:
        """Ids of videos that were there lately: asked along with suspects, they tell an absence from a bad answer."""
        return [record["id"] for record in await self._db.fetch(sql("witnesses"), number)]

    async def update_video_stats_batch(self, updates: Sequence[VideoUpdate]) -> int:
        """Writes what one call learned of claimed videos: snapshots, zone, due time, absences, the end of the lease.

        A video that was absent three times, at least 6 h apart, is retired. Ids whose lease has passed are left alone.

        Returns:
            the number of videos that have a new snapshot.
        """
        now = self._now()
        mine = sorted((u for u in updates if u.id in self._videos), key=lambda update: update.id)
        if not mine:
            return 0
        rows = [self._videos[update.id] for update in mine]
        plan = [policy.schedule(row["published_at"] or row["first_seen_at"], now) for row in rows]
        written = await self._db.fetch(
            sql("update_videos"),
            [update.id for update in mine],
            [row["lease_token"] for row in rows],
            [zone for zone, _ in plan],
            [due for _, due in plan],
            [update.presence == Presence.PRESENT for update in mine],
            [update.presence == Presence.ABSENT for update in mine],
            [update.views for update in mine],
            [update.likes for update in mine],
            [update.comments for update in mine],
            now,
            now - policy.ABSENCE_SPACING,
            policy.ABSENCES_TO_RETIRE,
        )
        retired = [record["id"] for record in written if record["retired"]]
        if retired:
            self._count_retired(len(retired))
            self._db.on_rollback(lambda: self._count_retired(-len(retired)))
            await events.emit(events.EventType.VIDEOS_RETIRED, ids=retired, store=self._db)
        self._forget(update.id for update in mine)
        return sum(record["present"] for record in written)

    def _count_retired(self, number: int) -> None:
        self.retired += number


def _joined_tags(video: Video) -> str | None:
    """The tags as one text that the statement splits again: a ragged array of arrays cannot be a parameter."""
    if video.partial:
        return None
    return _TAG_SEPARATOR.join(tag.replace(_TAG_SEPARATOR, " ") for tag in video.tags)
