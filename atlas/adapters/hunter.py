"""The Hunter's statements: topics and their rounds, videos, tags, and unfinished videos."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from atlas import events, policy
from atlas.adapters import search_rounds
from atlas.adapters.claims import Claims
from atlas.clock import clock
from atlas.config import settings
from atlas.db.queries import bind, sql
from atlas.models.rows import Ingested, TargetRow, TopicRow, TopicStatus
from atlas.models.youtube import Video
from atlas.quota.ledger import NO_CALLS, Calls
from atlas.schedule_clock import LARGEST_OFFSET
from atlas.times import iso

_PROMOTED_AT_ONCE = 5_000  # topics made claimable by one claim: bounds its cost after a long pause
_TAG_SEPARATOR = "\x1f"
_SHORTEST_WINDOW = timedelta(seconds=1)
_ROUND_COLUMNS = (
    "lease_token", "next_page_token", "published_after", "published_before", "round_before", "round_ended_at",
    "oldest_read", "page", "restarts", "slice_results", "round_pages", "round_new", "rounds_without_new",
    "empty_answers",
)  # fmt: skip
"""The columns of a topic that a step of its round writes; the row and the statement use the same names."""


class Hunting(Claims):
    """The Hunter's half of MaiaDAO."""

    async def fetch_hunter_batch(self, batch_size: int = 10) -> list[TopicRow]:
        """Claim topics that are due, in the order of their rank, each with the window to search.

        A round begins HUNTER_INDEX_LAG_MINUTES before the end of the last one, but not before
        HUNTER_PUBLISHED_WITHIN_HOURS ago. A page token older than 12 h is not used: a new slice begins at the oldest
        publish time read. What stays unread is an event ``search_gap``.
        """
        now = self._now()
        await self._repair_topics()
        await self._db.fetch(sql("hunter/promote_topics"), now, _PROMOTED_AT_ONCE)
        token = uuid.uuid4()
        lease = settings.hunter_lease_seconds
        records = await self._db.fetch(sql("hunter/claim_topics"), batch_size, lease, token, self.shard)
        rows = [cast("TopicRow", dict(record)) for record in records]
        rows.sort(
            key=lambda r: (-r["priority"], r["last_searched_at"] is not None, r["last_searched_at"] or now, r["id"])
        )
        self._topics.update((row["id"], row) for row in rows)
        for row in rows:
            if row["published_after"] is not None and row["published_after"] >= now + _largest_lead():
                self._replace(row, _without_window(row))
            if row["published_before"] is not None:
                await self._continue_round(row, now)
            after, before = row["published_after"], row["published_before"]
            if after is None or before is None or after >= before:
                self._open_window(row, now)
        return rows

    async def _continue_round(self, row: TopicRow, now: datetime) -> None:
        """Continue an open round: with its page token, with a new slice, or not, if the unread rest is too old."""
        searched = row["last_searched_at"]
        # what was searched in the future, by a clock that was ahead, is of unknown age
        too_old = searched is not None and not -clock.tolerance <= now - searched <= policy.TOKEN_MAX_AGE
        if row["next_page_token"] and not too_old:
            return
        unread = row["oldest_read"] or row["published_before"]
        if unread is not None and unread < now - timedelta(hours=settings.hunter_published_within_hours):
            await self._drop_window(row, "the rest of the window is older than HUNTER_PUBLISHED_WITHIN_HOURS")
        elif row["next_page_token"] and (row["oldest_read"] is None or search_rounds.unread_gap(row, "") is None):
            await self._drop_window(row, "page token older than 12 h")
        elif row["next_page_token"]:
            await self._begin_slice(row, refused=False)

    def _open_window(self, row: TopicRow, now: datetime) -> None:
        """Begin a new round a little before the end of the last one, since YouTube lists some videos late.

        The event for a gap is written with the round's first page: a claim whose search fails gives up nothing. If
        another shard's clock was ahead, the last round may end in the future. Minutes are searched again; with more,
        what was read is unknown, and the window is as wide as possible.
        """
        end = now.replace(microsecond=0)  # it is asked in whole seconds
        oldest = end - timedelta(hours=settings.hunter_published_within_hours)
        begin, ended = oldest, row["round_ended_at"]
        if ended is not None and ended <= end + _largest_lead():
            begin = max(min(ended, end) - timedelta(minutes=settings.hunter_index_lag_minutes), oldest)
        row["published_after"] = min(begin.replace(microsecond=0), end - _SHORTEST_WINDOW)
        row["published_before"] = end
        # the previous release ends rounds without these columns
        row["round_before"] = row["oldest_read"] = None
        row["slice_results"] = row["round_pages"] = row["empty_answers"] = 0

    async def _drop_window(self, row: TopicRow, reason: str) -> None:
        """Give up the rest of an open round; keep the claim."""
        gaps = search_rounds.gap_before_window(row), search_rounds.unread_gap(row, reason)

        async def write() -> bool:
            async with self._db.transaction():
                if not await self._db.fetch(sql("hunter/drop_window"), row["id"], row["lease_token"]):
                    return False
                await self._record_gaps(row, gaps)
            return True

        if await self.retry(write):
            ended = search_rounds.topic_at_rest(row, rounds_without_new=row["rounds_without_new"])
            ended["status"], ended["round_new"] = row["status"], row["round_new"]  # it continues with another round
            self._replace(row, ended)

    async def _begin_slice(self, row: TopicRow, *, refused: bool) -> bool:
        """Begin a slice instead of using the page token; return whether the lease was still this DAO's."""
        begun = search_rounds.begin_slice(row)
        written = await self._db.fetch(
            sql("hunter/restart_slice"), row["id"], row["lease_token"], begun["published_before"],
            begun["round_before"],
            refused,
        )  # fmt: skip
        if written:
            self._replace(row, begun)
        return bool(written)

    def _replace(self, row: TopicRow, state: TopicRow) -> None:
        """Give a claimed row its new state; a rollback of the transaction restores the old one."""
        before = row.copy()
        self._db.on_rollback(lambda: row.update(before))
        row.update(state)

    async def _record_gaps(self, row: TopicRow, gaps: Iterable[search_rounds.Gap | None]) -> None:
        for gap in filter(None, gaps):
            payload = {"topic": row["id"], "query_term": row["query_term"], **gap._asdict()}
            await events.emit(events.EventType.SEARCH_GAP, **payload, store=self._db)

    async def why_no_topics(self) -> str:
        """Return one line: why a claim came back empty, and what to do."""
        outlook = (await self._db.fetch(sql("hunter/queue_outlook")))[0]
        if not outlook["queries"]:
            return 'the search queue is empty: fill it with `maia queue add "your query"`'
        if outlook["queries"] == outlook["paused"]:
            return 'every query is paused: `maia queue add "query"` resumes one'
        if outlook["leased"]:
            return f"{outlook['leased']} due queries are leased by other shards"
        due = outlook["next_due"]
        return f"no query is due before {iso(due, 'minutes')}" if due else "no query is due"

    async def known_videos(self, published: Mapping[str, datetime | None]) -> frozenset[str]:
        """Return which of a search's results (id → publish time) are stored with their metadata.

        A video whose publish time has moved since it was read (a premiere that was broadcast) has to be read again.
        """
        records = await self._db.fetch(sql("hunter/known_videos"), list(published))
        return frozenset(
            record["id"]
            for record in records
            if not policy.publish_time_moved(record["published_at"], published[record["id"]])
        )

    async def ingest_video_metadata(
        self,
        video_data: Video | Mapping[str, Any] | Sequence[Video | Mapping[str, Any]],
        *,
        observed_at: Mapping[str, datetime] | None = None,
        found_by: int | None = None,
    ) -> Ingested:
        """Store videos (of videos.list, parsed or raw), their channels and first snapshots; refresh known videos.

        ``observed_at``: id → when YouTube answered so, for videos from the archive; now for all others. ``found_by``:
        the topic whose search listed them; a video keeps the first. Raises ValueError for a video without a usable id.
        """
        given = [video_data] if isinstance(video_data, Video | Mapping) else list(video_data)
        parsed = (item if isinstance(item, Video) else Video.from_resource(item) for item in given)
        videos = sorted({video.id: video for video in parsed}.values(), key=lambda video: video.id)
        if not videos:
            return Ingested(frozenset(), frozenset())
        now = self._now()
        observed = [(observed_at or {}).get(video.id, now) for video in videos]
        plan = [
            policy.schedule(v.published_at or at, now, pending=v.duration == timedelta())
            for v, at in zip(videos, observed, strict=True)
        ]
        statement = bind(
            "hunter/ingest_videos",
            ids=[v.id for v in videos],
            channels=[v.channel_id for v in videos],
            channel_titles=[v.channel_title for v in videos],
            titles=[v.title for v in videos],
            publish_times=[v.published_at for v in videos],
            tags=[_joined_tags(v) for v in videos],
            categories=[v.category_id for v in videos],
            durations=[v.duration for v in videos],
            zones=[zone for zone, _ in plan],
            # its first due time is its first snapshot plus the interval; a partial video that is new has none yet
            due_times=[due - (now - at) for (_, due), at in zip(plan, observed, strict=True)],
            enriched=[not v.partial for v in videos],
            views=[v.views for v in videos],
            likes=[v.likes for v in videos],
            comments=[v.comments for v in videos],
            observed=observed,
            moved=policy.PUBLISH_TIME_MOVED,
            found_by=found_by,
        )
        records = await self._db.fetch(*statement)
        return Ingested(
            frozenset(record["id"] for record in records if record["created"]),
            frozenset(record["id"] for record in records if record["newly_enriched"]),
            now,
        )

    async def lock_videos(self, ids: Iterable[str]) -> frozenset[str]:
        """Lock videos in the order of their keys, before a transaction writes them by several statements.

        Return the ids that have a row: a claimed video that was deleted meanwhile must not be ingested again.
        """
        return frozenset(record["id"] for record in await self._db.fetch(sql("hunter/lock_videos"), list(ids)))

    async def queue_room(self) -> int:
        """Return how many more queries the queue may take (HUNTER_MAX_QUEUE)."""
        limit = settings.hunter_max_queue
        rows = await self._db.fetch(sql("hunter/queue_size"), limit)
        return limit - int(rows[0]["size"])

    async def add_to_search_queue(
        self, tags: Iterable[str], *, most_new: int | None = None, topic: str | None = None
    ) -> int:
        """Add normalised tags as queries, at most ``most_new``, the most mentioned first; return how many are new.

        A tag that occurs n times is mentioned by n videos; a known one gains its mentions. ``topic`` is the query whose
        row the same transaction updates: it is locked in order with the others.
        """
        mentions = Counter(tags)
        if topic is not None:
            mentions.setdefault(topic, 0)
        if not mentions:
            return 0
        room = len(mentions) if most_new is None else max(most_new, 0)
        rows = await self._db.fetch(sql("hunter/add_tags"), list(mentions), list(mentions.values()), room, self._now())
        return int(rows[0]["added"])

    async def update_search_state(
        self, topic_id: int, next_token: str | None, count: int, status: TopicStatus | str, *,
        new: int = 0, read: bool = True, calls: Calls = NO_CALLS,
    ) -> bool:  # fmt: skip
        """Write how far the search of a claimed topic is, and end its lease.

        Args:
            next_token: the next page's token, with ``active``.
            count: results on this page, of which ``new`` were new videos.
            status: ``active``: another page follows; ``waiting``: the round is read, the topic is due again after an
                interval that grows while rounds bring nothing new.
            read: whether the window was read; if not, the next round begins where this one did.
            calls: the calls behind the page and its videos, which the same statement settles (``KeyRing.settling``).

        Return False if the lease had passed to another shard and nothing was written.
        """

        def next_step(topic: TopicRow) -> search_rounds.RoundStep:
            row = search_rounds.next_page(topic, next_token, results=count, new=new)
            if status != TopicStatus.WAITING:
                row["status"] = str(status)
                return search_rounds.RoundStep(row)
            ended = search_rounds.topic_at_rest(row, read=read)
            return search_rounds.RoundStep(ended, policy.topic_interval(ended["rounds_without_new"]))

        return await self._advance(topic_id, next_step, count, calls, new=new, read=read)

    async def record_page(
        self, topic_id: int, page: search_rounds.PageRead, count: int, *, calls: Calls = NO_CALLS
    ) -> bool:
        """Write what follows a page of ``count`` videos: the next page, a new slice, or the end of the round.

        An unread part is reported by an event ``search_gap``. For ``calls`` and the result see ``update_search_state``.
        """
        most = settings.hunter_max_pages_per_round
        return await self._advance(
            topic_id, lambda topic: search_rounds.after_page(topic, page, most_pages=most), count, calls, new=page.new
        )

    async def record_unreadable_page(self, topic_id: int, total: int, *, calls: Calls = NO_CALLS) -> bool:
        """Write that an answer had no readable result, though YouTube counts ``total``: it is asked again later.

        After ``policy.ASKED_AGAIN`` times the round ends with an event ``search_gap``. Return as ``record_page``.
        """
        return await self._advance(
            topic_id, lambda topic: search_rounds.after_unreadable_page(topic, total), 0, calls, read=False
        )

    async def _advance(
        self, topic_id: int, next_step: Callable[[TopicRow], search_rounds.RoundStep], count: int, calls: Calls, *,
        new: int = 0, read: bool = True,
    ) -> bool:  # fmt: skip
        topic = self._topics.get(topic_id)
        if topic is None:
            if calls.days:
                none = [0] * len(calls.days)
                await self._db.fetch(sql("quota/settle_calls"), *calls, none, none)
            return False
        step = next_step(topic)
        gaps = (search_rounds.gap_before_window(topic) if read else None), step.gap
        if not any(gaps):
            written = await self._write_state(step, count, new, calls)
        else:
            async with self._db.transaction():
                written = await self._write_state(step, count, new, calls)
                if written:
                    await self._record_gaps(topic, gaps)
        self._drop_claims([topic_id])
        return written

    async def _write_state(self, step: search_rounds.RoundStep, count: int, new: int, calls: Calls) -> bool:
        now, row = self._now(), cast("dict[str, Any]", step.row)
        statement = bind(
            "hunter/advance_topic",
            topic=row["id"],
            status=str(row["status"]),
            now=now,
            due_at=None if step.rest is None else now + step.rest,
            results=count,
            new_videos=new,
            **{name: row[name] for name in _ROUND_COLUMNS},
            **calls._asdict(),
        )
        return bool(await self._db.fetch(*statement))

    async def restart_round(self, topic_id: int) -> bool:
        """After a refused page token, begin a new slice at the oldest publish time read, once a round.

        The second time the round ends, and the gap is an event. Return whether the lease was still this DAO's.
        """
        row = self._topics.get(topic_id)
        if row is None:
            return False
        if row["restarts"] or search_rounds.unread_gap(row, "") is None:
            twice = "page token refused twice"
            return await self.retry(
                lambda: self._advance(topic_id, lambda topic: search_rounds.finish_round(topic, twice), 0, NO_CALLS)
            )
        written = await self._begin_slice(row, refused=True)
        self._drop_claims([topic_id])
        return written

    async def fetch_unfinished(self, batch_size: int, *, archive: bool) -> list[TargetRow]:
        """Claim videos stored without their metadata and, with ``archive``, those that were never archived."""
        await self._repair_videos()
        now = self._now()
        lease, token = settings.hunter_lease_seconds, uuid.uuid4()
        records = await self._db.fetch(
            sql("hunter/claim_unfinished"), batch_size, now - policy.ARCHIVE_AFTER, lease, token, self.shard, archive,
            now - policy.ABSENCE_SPACING,
        )  # fmt: skip
        return self._register_rows(records)

    async def mark_archived(self, ids: Iterable[str] | Mapping[str, datetime]) -> frozenset[str]:
        """Record that the archive has these videos, now or since the time given for each.

        Return the ids that have a row: the others were deleted meanwhile.
        """
        times = dict(ids) if isinstance(ids, Mapping) else dict.fromkeys(ids, clock.now())
        if not times:
            return frozenset()
        rows = await self._db.fetch(sql("hunter/mark_archived"), list(times), list(times.values()))
        return frozenset(row["id"] for row in rows)


def _largest_lead() -> timedelta:
    """Return how far in the future a time of another shard may be: the tolerated error of its clock."""
    return max(clock.tolerance, LARGEST_OFFSET)


def _without_window(row: TopicRow) -> TopicRow:
    """Return a claimed topic without its window, which lies in the future: nothing of it was read."""
    ended = search_rounds.topic_at_rest(row, read=False, rounds_without_new=row["rounds_without_new"])
    ended["status"] = row["status"]
    return ended


def _joined_tags(video: Video) -> str | None:
    """Return the tags as one text that the statement splits: a ragged array of arrays cannot be a parameter."""
    if video.partial:
        return None
    return _TAG_SEPARATOR.join(tag.replace(_TAG_SEPARATOR, " ") for tag in video.tags)
