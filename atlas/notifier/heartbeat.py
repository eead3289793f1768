"""Call HEARTBEAT_URL at the end of a good run, for a service that notices silence (Healthchecks, Uptime Kuma)."""

from __future__ import annotations

import asyncio
import logging

from atlas.config import settings
from atlas.proxies import proxy_of

__all__ = ["HEARTBEAT_SECONDS", "call_heartbeat"]

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0
"""Maximum delay of a run's end by the call (real seconds)."""
_SECONDS = 5.0  # of one try
_TRIES = 2


async def call_heartbeat(seconds: float = HEARTBEAT_SECONDS) -> None:
    """Call the address with GET, twice at most, within some real `seconds`. Never raise.

    The address is a secret and is not logged: a person who knows it can keep the service silent.
    """
    try:
        secret = settings.heartbeat_url
        if secret is None or seconds <= 0:
            return
        problem = ""
        async with asyncio.timeout(seconds):
            for _ in range(_TRIES):
                problem = await _get(secret.get_secret_value())
                if not problem:
                    return
    except TimeoutError:
        problem = "did not answer in time"
    except Exception as error:  # noqa: BLE001  a heartbeat never fails a run, and its text may contain the URL
        problem = f"failed with {type(error).__name__}"
    logger.warning("the service of HEARTBEAT_URL %s", problem)


async def _get(url: str) -> str:
    """Return what went wrong, or an empty text."""
    import aiohttp  # noqa: PLC0415  most runs have no heartbeat

    proxy = proxy_of(url)
    credentials = aiohttp.BasicAuth(proxy.user, proxy.password, "utf-8") if proxy and proxy.user else None
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as session,
            session.get(url, proxy=proxy.url if proxy else None, proxy_auth=credentials) as answer,
        ):
            return "" if answer.status < 400 else f"answered {answer.status}"
    except TimeoutError:
        return "did not answer in time"
    except (aiohttp.ClientError, OSError) as error:
        return f"cannot be reached ({type(error).__name__})"
