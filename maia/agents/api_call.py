"""What both agents do when an API call fails.

| error | response |
|---|---|
| rate limit | request a churn; start no new call |
| quota of every key spent | record the bucket; the other items wait for its reset |
| page token refused | the caller begins again without it |
| request refused | name the setting that is wrong and end the run, or skip the items |
| network, server, statement | log, count the cause, skip the items |
| every key refused, database lost | end the run once everything answered is stored |
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from atlas.config import settings
from atlas.errors import AtlasError, ConfigError, RingExhausted, StatementFailed
from maia.agents.session import AgentSession
from maia.orchestration import get_run_logger
from maia.youtube import BadRequest, NotFound, PageTokenInvalid, RateLimited, Stopped, YouTubeError

T = TypeVar("T")

SETTING_OF = {
    "regionCode": "hunter_region",
    "relevanceLanguage": "hunter_language",
    "safeSearch": "hunter_safe_search",
    "videoCategoryId": "hunter_category",
}
"""Search parameters that come from a setting; if YouTube refuses one, the setting is wrong and not the query."""


class CallFailure(Enum):
    """Why a call has no answer."""

    NOT_ASKED = "the run is ending"
    EXHAUSTED = "no key has quota left"
    PAGE_REFUSED = "the page token is not accepted"
    REFUSED = "YouTube refuses the request: asking again gives the same"
    FAILED = "network, server, database or a broken answer, after the retries"


@dataclass(frozen=True)
class CallPurpose:
    """What a call is made for, as logs and counts name it."""

    kind: str
    """``searches`` or ``videos``."""
    skipped: str
    """The log line of a failure, such as "3 videos are skipped"."""
    when_exhausted: str
    """The log line of spent quota: what becomes of the rest."""
    number: int = 1
    """Items that a failure skips."""
    when_refused: str | None = None
    """The log line of a refused request if another method is asked instead; None: it is a failure."""


async def call_api(session: AgentSession, call: Awaitable[T], purpose: CallPurpose) -> T | CallFailure:
    """Make a call; return its answer, or handle its failure and return the reason."""
    try:
        return await call
    except RateLimited as error:
        session.churn(error)
    except Stopped:
        pass
    except RingExhausted as error:
        session.record_exhausted(error, purpose.when_exhausted)
        return CallFailure.EXHAUSTED
    except PageTokenInvalid:
        return CallFailure.PAGE_REFUSED
    except (BadRequest, NotFound) as error:
        if refused := _refused_setting(error):
            session.record_fatal(refused)
            return CallFailure.NOT_ASKED
        if purpose.when_refused is not None:
            get_run_logger().warning("%s: %s", purpose.when_refused, error)
        else:
            skip(session, purpose, error)
        return CallFailure.REFUSED
    except (YouTubeError, StatementFailed) as error:
        skip(session, purpose, error)
        return CallFailure.FAILED
    except AtlasError as error:
        session.record_fatal(error)
    return CallFailure.NOT_ASKED


def skip(session: AgentSession, purpose: CallPurpose, error: YouTubeError | StatementFailed) -> None:
    """Log that items are skipped, and count the cause."""
    get_run_logger().log(_level(session, error), "%s: %s", purpose.skipped, error)
    session.failures[purpose.kind].record(error, purpose.number)


def _level(session: AgentSession, error: Exception) -> int:
    is_warning = session.agent == "hunter" and not isinstance(error, StatementFailed)
    return logging.WARNING if is_warning else logging.ERROR


def _refused_setting(error: YouTubeError) -> ConfigError | None:
    if not isinstance(error, BadRequest) or (name := SETTING_OF.get(error.parameter or "")) is None:
        return None
    if (value := getattr(settings, name)) is None:
        return None
    return ConfigError(
        f"{name.upper()}: YouTube refuses the value '{value}' ({error.quote or error.reason}). Correct or unset it. "
        "The queries stay due."
    )
