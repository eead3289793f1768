"""What the Tracker computes of the videos that it has read: growth, score, breakouts, forecast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from atlas import events, policy
from atlas.adapters.claims import Claims
from atlas.clock import clock
from atlas.config import settings
from atlas.db.queries import bind, sql

_CLOCKS_APART = timedelta(hours=1)
"""By so much a snapshot may lie in the future: processes read the clocks of different machines."""


class Judging(Claims):
    """The detector's half of the Tracker's statements."""

    _learn_at: datetime | None = None
    """When this process looks again whether bands must be learnt."""

    async def judge_growth(self, ids: Sequence[str], since: datetime) -> list[str]:
        """Write the growth of videos that were just read, and open, follow and end breakouts; return those it opened.

        Of the videos, those with a snapshot from ``since`` on are judged. Each breakout emits one event. All is one
        transaction.
        """

        async def judge() -> list[str]:
            async with self._db.transaction():
                await self._db.fetch(sql("tracker/plan_anew"))
                records = await self._db.fetch(*bind("breakouts/judge", **self.judge_parameters(ids, since)))
                return await self._record([dict(record) for record in records])

        return await self._db.retry(judge) if ids else []

    async def _record(self, judged: Sequence[Mapping[str, Any]]) -> list[str]:
        await self._follow([each for each in judged if each["is_open"]])
        candidates = [each for each in judged if each["is_candidate"]]
        stepped = await self._steps(judged) if candidates else set()
        always = settings.breakout_views_per_hour
        return await self._open(
            [
                each
                for each in candidates
                if (each["kind"], each["span"]) not in stepped
                or (always is not None and each["views_per_hour"] >= always)
            ]
        )

    @staticmethod
    def judge_parameters(ids: Sequence[str], since: datetime) -> dict[str, Any]:
        """Return the parameters of the statement that judges."""
        always = settings.breakout_views_per_hour
        return {
            "ids": list(ids), "since": since, "until": clock.now() + _CLOCKS_APART,
            "short": policy.SHORT, "width": policy.BAND_WIDTH, "bands": policy.BANDS,
            "slope": policy.SLOPE_UNKNOWN, "spread": policy.SPREAD_UNKNOWN,
            "variance_unknown": policy.VARIANCE_UNKNOWN,
            "always": None if always is None else float(always), "min_score": settings.breakout_min_score,
            "min_rate": float(settings.breakout_min_views_per_hour), "surprise_step": policy.STEP_SURPRISE,
            **asdict(policy.DETECTOR),
        }  # fmt: skip

    async def learn_growth(self) -> bool:
        """Learn again what is typical, if it is older than LEARN_AFTER; return whether this call did.

        One process learns at a time; the others go on with what is known.
        """
        now = clock.now()
        if self._learn_at is not None and self._learn_at - policy.LEARN_AFTER <= now < self._learn_at:
            return False

        async def learn() -> bool:
            async with self._db.transaction():
                (state,) = await self._db.fetch(sql("breakouts/lock_learning"))
                learnt_at: datetime | None = state["learnt_at"]
                if learnt_at is not None and learnt_at <= now < learnt_at + policy.LEARN_AFTER:
                    self._learn_at = learnt_at + policy.LEARN_AFTER
                    return False
                self._learn_at = now + policy.LEARN_RETRY
                if not state["taken"]:
                    return False
                await self._db.fetch(
                    *bind(
                        "breakouts/learn_bands", now=now, short=policy.SHORT, width=policy.BAND_WIDTH,
                        bands=policy.BANDS, slope=policy.SLOPE_UNKNOWN, spread=policy.SPREAD_UNKNOWN,
                        slope_least=policy.SLOPES[0], slope_most=policy.SLOPES[1],
                        pairs=policy.BAND_PAIRS, videos=policy.LEARN_VIDEOS, pages=policy.LEARN_PAGES,
                        long=policy.DETECTOR.long,
                        since=now - timedelta(days=settings.retention_statistics_days),
                    ),
                    seconds=policy.LEARN_SECONDS,
                )  # fmt: skip
            return True

        return await self._db.retry(learn)

    async def _follow(self, open_ones: Sequence[Mapping[str, Any]]) -> None:
        if not open_ones:
            return
        columns = ("video_id", "views_per_hour", "ended")
        await self._db.fetch(
            sql("breakouts/follow"), *([each[column] for each in open_ones] for column in columns), clock.now()
        )

    async def _steps(self, judged: Sequence[Mapping[str, Any]]) -> set[tuple[int, int]]:
        """Return the kinds, with spans of intervals, that YouTube has just begun to count in another way.

        Then a large share of the videos that were just read, by this process or by all, is far above usual at once.
        """
        surprised = defaultdict(list)
        for each in judged:
            if each["is_surprise"]:
                surprised[each["kind"], each["span"]].append(each)
        found = {
            group
            for group, videos in surprised.items()
            if len(videos) >= max(policy.STEP_VIDEOS, policy.STEP_SHARE * videos[0]["judged"])
            and len({each["channel_id"] or each["video_id"] for each in videos}) >= policy.STEP_CHANNELS
        }
        rows = await self._db.fetch(
            *bind(
                "breakouts/surprised_share", now=clock.now(), pages=policy.STEP_PAGES, videos=policy.STEP_VIDEOS,
                channels=policy.STEP_CHANNELS, share=policy.STEP_SHARE, surprise_step=policy.STEP_SURPRISE,
                long=policy.DETECTOR.long,
            )
        )  # fmt: skip
        return found | {(row["kind"], row["span"]) for row in rows}

    async def _open(self, found: Sequence[Mapping[str, Any]]) -> list[str]:
        if not found:
            return []
        by_id = {each["video_id"]: each for each in found}
        columns = ("score", "views", "views_per_hour", "usual_per_hour")
        opened = await self._db.fetch(
            sql("breakouts/open"), list(by_id), clock.now(),
            *([each[column] for each in found] for column in columns),
        )  # fmt: skip
        ids = [record["video_id"] for record in opened]
        payloads = [
            {"video_id": id_, "views": by_id[id_]["views"]}
            | {name: round(by_id[id_][name], 1) for name in ("score", "views_per_hour", "usual_per_hour")}
            for id_ in ids
        ]
        await events.emit_all(events.EventType.BREAKOUT, payloads, store=self._db)
        return ids
