"""The Tracker's statements: claim videos that are due, and write what was learned of them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from atlas import events, policy
from atlas.adapters.claims import Claims
from atlas.clock import clock
from atlas.config import settings
from atlas.db.queries import bind, sql
from atlas.models.rows import Presence, TargetRow, VideoUpdate
from atlas.quota.reservations import NO_CALLS, Calls
from atlas.times import iso

__all__ = ["Tracking"]

_YOUNG = policy.ZONES[1].below or timedelta.max  # zone 3 is read too rarely to say when something began
_NONE = timedelta()  # the length of what is live or upcoming


class Tracking(Claims):
    """The Tracker's half of MaiaDAO."""

    retired = 0
    """Videos that this DAO's updates retired."""

    async def fetch_tracker_targets(self, batch_size: int = 50) -> list[TargetRow]:
        """Claim videos that are due: zone 1 before 2 before 3, in each the longest due first."""
        await self._repair_videos()
        return self._claimed(
            await self._db.fetch(
                sql("tracker/claim_videos"),
                batch_size,
                clock.now(),
                settings.tracker_lease_seconds,
                uuid.uuid4(),
                self.shard,
            )
        )

    async def why_no_targets(self) -> str:
        """Return one line: why a claim of videos came back empty, and what to do."""
        outlook = (await self._db.fetch(sql("tracker/tracking_outlook")))[0]
        if not outlook["any_video"]:
            return "there are no videos yet: run the Hunter first (`maia hunter`)"
        due = outlook["next_due"]
        if due and due <= clock.now():
            return "the videos that are due are leased by other shards, or are being written"
        return f"no video is due before {iso(due, 'minutes')}" if due else "no video is due"

    async def fetch_control_ids(self, number: int = 5) -> list[str]:
        """Return ids of videos that were there when last asked: they prove that an answer's absences are real."""
        return [record["id"] for record in await self._db.fetch(sql("tracker/select_control_ids"), number)]

    async def snapshots_at(self, ids: Sequence[str], at: datetime) -> int:
        """Return how many of these videos have a snapshot of exactly this schedule time.

        They show what a statement wrote whose answer was lost.
        """
        (row,) = await self._db.fetch(sql("tracker/snapshots_at"), list(ids), at)
        return int(row["snapshots"])

    async def update_video_stats_batch(
        self, updates: Sequence[VideoUpdate], *, calls: Calls = NO_CALLS, at: datetime | None = None
    ) -> int:
        """Write what one call learned of claimed videos, and end their leases; return how many have a new snapshot.

        Zone and due time follow from the publish time. A video that was absent three times, at least 6 h apart, is
        retired. A video whose lease has passed to another shard is not changed.

        Args:
            updates: one for each video that was asked about.
            calls: the calls behind them, which the same statement settles (see ``KeyRing.settling``).
            at: the schedule time of the snapshots; None: now.
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

        The evidence of all shards is in one row of ``count_freezes``. If next to none of the videos that were expected
        to grow has moved, the check opens it or adds to it; enough evidence confirms it, with an event. The first
        check in which videos move ends it, with an event if it was confirmed. Nothing is written while counts move.

        Args:
            ids: videos that were read.
            since: only those with a snapshot from this schedule time on.
        """
        now = clock.now()
        (seen,) = await self._db.fetch(
            sql("tracker/check_freeze"), list(ids), since, now - _YOUNG, policy.FREEZE_INTERVAL, policy.FREEZE_GAIN
        )
        is_open = seen["started_at"] is not None
        still = seen["expected"] - seen["grown"]
        stands = seen["expected"] > 0 and seen["grown"] <= policy.FREEZE_STILL_SHARE * seen["expected"]
        if seen["confirmed"]:
            moves = seen["moved"] >= max(policy.FREEZE_ENDS_VIDEOS, policy.FREEZE_ENDS_SHARE * seen["compared"])
        else:
            moves = is_open and seen["expected"] > 0 and not stands
        # no video that is young now has a rate of the time before it: nothing could confirm it, or end it
        unproven = is_open and not seen["confirmed"] and seen["started_at"] < now - _YOUNG
        if moves or unproven:
            async with self._db.transaction():
                for ended in await self._db.fetch(sql("tracker/end_freeze"), None if unproven else seen["first_moved"]):
                    if ended["confirmed_at"]:
                        await events.emit(
                            events.EventType.COUNTS_MOVING, since=ended["started_at"], until=ended["ended_at"],
                            store=self._db,
                        )  # fmt: skip
        elif stands and not seen["confirmed"] and (is_open or still >= policy.FREEZE_OPENS_VIDEOS):
            async with self._db.transaction():
                (known,) = await self._db.fetch(
                    sql("tracker/record_freeze"), seen["first_still"], still, seen["channels"],
                    policy.FREEZE_VIDEOS, policy.FREEZE_CHANNELS, now, uuid.uuid4(),
                )  # fmt: skip
                if known["confirmed"]:
                    await events.emit(
                        events.EventType.COUNTS_FROZEN, since=known["started_at"], videos=known["videos"],
                        channels=known["channels"], store=self._db,
                    )  # fmt: skip

    async def record_breakouts(self, ids: Sequence[str], since: datetime, threshold: int) -> int:
        """Emit an event for each breakout; return how many.

        A video breaks out if its growth in views per hour reached the threshold in its last interval, and in the one
        before did not, or there was none.

        Args:
            ids: videos that were read.
            since: only those with a snapshot from this schedule time on.
            threshold: BREAKOUT_VIEWS_PER_HOUR.
        """
        records = await self._db.fetch(sql("tracker/find_breakouts"), list(ids), since, threshold)
        found = [dict(record) for record in records]
        await events.emit_all(events.EventType.BREAKOUT, found, store=self._db)
        return len(found)

    def _count_retired(self, number: int) -> None:
        self.retired += number
