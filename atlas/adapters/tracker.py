"""The Tracker's statements: claim videos that are due, and write what was learned of them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from atlas import events, policy
from atlas.adapters.claims import Claims
from atlas.clock import clock
from atlas.config import settings
from atlas.db.queries import bind, sql
from atlas.figures import duration_text
from atlas.models.rows import Presence, TargetRow, VideoUpdate
from atlas.quota.ledger import NO_CALLS, Calls
from atlas.times import iso, local

_YOUNG = policy.ZONES[1].below or timedelta.max  # zone 3 is read too rarely to say when something began
_HALF_A_MINUTE = timedelta(seconds=30)  # rounds a span to minutes
_NONE = timedelta()  # the length of what is live or upcoming


class Tracking(Claims):
    """The Tracker's half of MaiaDAO."""

    retired = 0
    """Videos that this DAO's updates retired."""

    async def fetch_tracker_targets(self, batch_size: int = 50) -> list[TargetRow]:
        """Claim videos that are due: zone 1 before 2 before 3, in each the longest due first."""
        await self._repair_videos()
        lease, token = settings.tracker_lease_seconds, uuid.uuid4()
        records = await self._db.fetch(
            sql("tracker/claim_videos"), batch_size, clock.now(), lease, token, self.shard
        )  # fmt: skip
        return self._register_rows(records)

    async def why_no_targets(self) -> str:
        """Return one line: why a claim of videos came back empty, and what to do."""
        outlook = (await self._db.fetch(sql("tracker/tracking_outlook")))[0]
        if not outlook["any_video"]:
            return "there are no videos yet: run the Hunter first (`maia hunter`)"
        due = outlook["next_due"]
        if due and due <= clock.now():
            return "the videos that are due are leased by other shards, or are being written"
        return f"no video is due before {iso(due, 'minutes')}" if due else "no video is due"

    async def what_comes_next(self, agent: str) -> str:
        """Return one line for a person, after a run of this agent: when the Tracker has work, and what to run."""
        due = (await self._db.fetch(sql("tracker/tracking_outlook")))[0]["next_due"]
        if due is None:
            return "no video is to be read: run the Hunter first (`maia hunter`)"
        if due <= (now := clock.now()):
            return f"videos are due now: run `maia tracker`{' again' if agent == 'tracker' else ''}"
        wait = duration_text(due - now + _HALF_A_MINUTE)
        return f"next reading due at {local(due)} (in {wait}): run `maia tracker` then"

    async def fetch_control_ids(self, number: int = 5) -> list[str]:
        """Return ids of videos that were there when last asked: they prove that an answer's absences are real."""
        return [record["id"] for record in await self._db.fetch(sql("tracker/select_control_ids"), number)]

    async def snapshots_at(self, ids: Sequence[str], at: datetime) -> int:
        """Return how many of these videos have a snapshot of exactly this time: what a lost statement has written."""
        (row,) = await self._db.fetch(sql("tracker/snapshots_at"), list(ids), at)
        return int(row["snapshots"])

    async def update_video_stats_batch(
        self, updates: Sequence[VideoUpdate], *, calls: Calls = NO_CALLS, at: datetime | None = None
    ) -> int:
        """Write what one call learned of claimed videos, and end their leases; return how many have a new snapshot.

        Zone and due time follow from the publish time. A video that was absent three times, at least 6 h apart, is
        retired. A video whose lease has passed to another shard is not changed. The same statement settles ``calls``
        (see ``KeyRing.settling``). ``at``: the schedule time of the snapshots; None: now.
        """
        now = at or self._now()
        mine = sorted((u for u in updates if u.id in self._videos), key=lambda update: update.id)
        if not mine and not calls.days:
            return 0
        rows = [self._videos[update.id] for update in mine]
        plan = [
            policy.schedule(
                update.published_at or row["published_at"] or row["first_seen_at"],
                now,
                # an answer without a length does not show whether the video is still to come
                pending=(row["duration"] if update.duration is None else update.duration) == _NONE,
            )
            for update, row in zip(mine, rows, strict=True)
        ]
        written = await self._db.fetch(
            *bind(
                "tracker/update_videos",
                ids=[update.id for update in mine],
                lease_tokens=[row["lease_token"] for row in rows],
                zones=[zone for zone, _ in plan],
                due_times=[due for _, due in plan],
                present=[update.presence == Presence.PRESENT for update in mine],
                absent=[update.presence == Presence.ABSENT for update in mine],
                views=[update.views for update in mine],
                likes=[update.likes for update in mine],
                comments=[update.comments for update in mine],
                publish_times=[update.published_at for update in mine],
                durations=[update.duration for update in mine],
                now=now,
                old_absence=now - policy.ABSENCE_SPACING,
                absences_to_retire=policy.ABSENCES_TO_RETIRE,
                moved=policy.PUBLISH_TIME_MOVED,
                **calls._asdict(),
            )
        )
        retired = [record["id"] for record in written if record["retired"]]
        if retired:
            self._count_retired(len(retired))
            self._db.on_rollback(lambda: self._count_retired(-len(retired)))
            await events.emit(events.EventType.VIDEOS_RETIRED, ids=retired, store=self._db)
        self._drop_claims(update.id for update in mine)
        return sum(record["present"] for record in written)

    async def check_freeze(self, ids: Sequence[str], since: datetime) -> None:
        """Check whether YouTube's counts stand still for all videos, and whether they move again.

        The evidence of all shards is in one row of ``count_freezes``. If almost none of the videos that were expected
        to grow has moved, the check opens the row or adds to it; enough evidence confirms it, with an event. The first
        check in which videos move ends it, with an event if it was confirmed. Nothing is written while counts move.
        Of the videos, those with a snapshot from ``since`` on are looked at.
        """
        now = clock.now()

        async def look() -> dict[str, Any]:
            async with self._db.transaction():
                await self._db.fetch(sql("tracker/plan_anew"))
                (row,) = await self._db.fetch(
                    sql("tracker/check_freeze"), list(ids), since, now - _YOUNG, policy.FREEZE_INTERVAL,
                    policy.FREEZE_GAIN,
                )  # fmt: skip
            return dict(row)

        seen = await self._db.retry(look)
        is_open = seen["started_at"] is not None
        unmoved = seen["expected"] - seen["grown"]
        all_still = seen["expected"] > 0 and seen["grown"] <= policy.FREEZE_STILL_SHARE * seen["expected"]
        if seen["confirmed"]:
            has_ended = seen["moved"] >= max(policy.FREEZE_ENDS_VIDEOS, policy.FREEZE_ENDS_SHARE * seen["compared"])
        else:
            has_ended = is_open and seen["expected"] > 0 and not all_still
        # no video that is young now has a rate of the time before it: nothing could confirm it, or end it
        unproven = is_open and not seen["confirmed"] and seen["started_at"] < now - _YOUNG
        if has_ended or unproven:
            await self._db.retry(lambda: self._end_freeze(None if unproven else seen["first_moved"]))
        elif all_still and not seen["confirmed"] and (is_open or unmoved >= policy.FREEZE_OPENS_VIDEOS):
            await self._db.retry(lambda: self._record_freeze(seen["first_still"], unmoved, seen["channels"], now))

    async def _end_freeze(self, first_moved: datetime | None) -> None:
        async with self._db.transaction():
            for ended in await self._db.fetch(sql("tracker/end_freeze"), first_moved):
                if ended["confirmed_at"]:
                    await events.emit(
                        events.EventType.COUNTS_MOVING, since=ended["started_at"], until=ended["ended_at"],
                        store=self._db,
                    )  # fmt: skip

    async def _record_freeze(self, first_still: datetime, unmoved: int, channels: int, now: datetime) -> None:
        async with self._db.transaction():
            (known,) = await self._db.fetch(
                sql("tracker/record_freeze"), first_still, unmoved, channels,
                policy.FREEZE_VIDEOS, policy.FREEZE_CHANNELS, now, uuid.uuid4(),
            )  # fmt: skip
            if known["confirmed"]:
                await events.emit(
                    events.EventType.COUNTS_FROZEN, since=known["started_at"], videos=known["videos"],
                    channels=known["channels"], store=self._db,
                )  # fmt: skip

    def _count_retired(self, number: int) -> None:
        self.retired += number
