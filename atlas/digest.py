"""Send the daily digest: what rises, how fresh the data is, what is left of the quota, and how runs ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from atlas import events, notifier, policy
from atlas.adapters.growth import GrowthDAO
from atlas.adapters.report import ReportDAO, Totals
from atlas.clock import clock
from atlas.config import notify_urls, settings
from atlas.config.day_times import last_moment, parse_time
from atlas.database import Database, database
from atlas.errors import AtlasError
from atlas.event_types import EventType, Level
from atlas.figures import duration_text
from atlas.notifier import NOTIFY_SECONDS
from atlas.notifier.dedup import NotificationDAO
from atlas.notifier.messages import Message
from atlas.quota.buckets import quota_reset
from atlas.rising import riser_lines, riser_title
from atlas.times import local

__all__ = ["digest_message", "send_digest"]

logger = logging.getLogger(__name__)

_DAY = timedelta(days=1)
_RISERS = 5
_POINTS = 25
_RELEASE_SECONDS = 1.0


async def send_digest(seconds: float = NOTIFY_SECONDS, *, store: Database = database) -> bool:
    """Send the digest if it is due and no other process has sent it; return whether it was sent. Never raise."""
    try:
        if settings.notify_digest_at is None or settings.notify_urls is None or seconds <= 0:
            return False
        entries = notify_urls.parse(settings.notify_urls.get_secret_value())
        if not any(entry.takes(EventType.DIGEST) for entry in entries):
            return False
        now = clock.real().astimezone(ZoneInfo(settings.display_time_zone))
        due_since = last_moment(parse_time(settings.notify_digest_at), now)
        async with asyncio.timeout(seconds), store.session():
            return await _send(store, due_since)
    except (AtlasError, TimeoutError) as error:
        logger.warning("the daily digest could not be sent: %s", str(error) or "no answer in time")
    except Exception as error:  # noqa: BLE001  a notification never fails a run
        logger.warning("the daily digest could not be sent: %s", type(error).__name__)
    return False


async def _send(store: Database, due_since: datetime) -> bool:
    dao = NotificationDAO(store)
    token = await dao.claim_digest(due_since)
    if token is None:
        return False
    try:
        message = await digest_message(store)
    except BaseException:  # also if the time is up: nothing was sent, so that another run may send it
        with contextlib.suppress(AtlasError, TimeoutError):
            async with asyncio.timeout(_RELEASE_SECONDS):
                await dao.release_digest(token)
        raise
    deliveries = await notifier.send(message, Level.INFO, event=EventType.DIGEST)
    if not any(delivery.accepted for delivery in deliveries):
        await dao.release_digest(token)
        return False
    await events.emit(EventType.DIGEST, since=clock.now() - _DAY, store=store)
    return True


async def digest_message(store: Database) -> Message:
    """Return the digest of the last 24 hours."""
    now, growth, report = clock.now(), GrowthDAO(store), ReportDAO(store)
    totals = await report.totals()
    risers = await growth.risers(limit=_RISERS)
    curves = await growth.curves([riser.video_id for riser in risers], most=_POINTS)
    breakouts = await growth.breakouts(since=now - _DAY, limit=1_000)
    items = [f"{riser_title(riser)}\n{riser_lines(riser, curves.get(riser.video_id, ()))}" for riser in risers]
    if not risers:
        items.append("No video has been read twice yet.")
    ending = [
        f"Breakouts in 24 h: {len(breakouts):,}" + (" or more" if len(breakouts) == 1_000 else ""),
        *_zone_lines(totals),
        f"Runs in 24 h: {await _runs(report)}",
        _quota(totals),
        "Rates, scores and forecasts are calculated by Maia from YouTube data; they are not YouTube's own metrics.",
    ]
    return Message(f"Maia: the day up to {local(now)}", tuple(items), 0, tuple(ending))


def _zone_lines(totals: Totals) -> list[str]:
    return [
        f"Zone {zone.number}, every {duration_text(zone.interval)}: {totals.tracked[zone.number]} tracked, "
        f"{totals.due[zone.number]} due now"
        for zone in policy.ZONES
    ]


async def _runs(report: ReportDAO) -> str:
    counted = await report.count_runs(clock.real() - _DAY)
    return ", ".join(f"{number:,} {outcome}" for outcome, number in counted.items()) or "none"


def _quota(totals: Totals) -> str:
    spent = ", ".join(f"{bucket} {counts.spent:,}" for bucket, counts in totals.calls.items())
    return f"Calls today: {spent}; the day ends at {local(quota_reset(totals.at))}"
