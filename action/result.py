"""Read the result file of a container, which is untrusted: any image may have written it, or only half of it."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from maia.runtime.exitcodes import ExitCode, Outcome

PATH = "/run/maia/result.json"
LARGEST = 8_000_000
"""Bytes of a result file. The verdict's is the largest: at most 1,000 rows (maia/workflow/run_report.py), each 0.8 kB,
or 2.8 kB with the longest reason in it."""

# the name of a count or bucket, or the number of a zone
_KEY = re.compile(r"[A-Za-z_]{1,40}|[0-9]{1,3}")
_MOST_KEYS = 100
_OTHER_CODES: dict[str, set[int]] = {Outcome.CANCELLED: {130, 143}, Outcome.FAILURE: {ExitCode.USAGE}}
"""Outcome → further exit codes that match it."""

Number = int | float
"""A finite number of less than 64 bits."""


class DamagedError(Exception):
    """The result file is not what it should be; the message says why."""


@dataclass(frozen=True)
class Result:
    """How a run ended, as it reports. `stats` is any JSON object; `error` any text."""

    outcome: Outcome
    started_at: datetime
    finished_at: datetime
    stats: Mapping[str, Any]
    error: str | None


def read(path: Path) -> bytes | None:
    """Return the content of a copied file; None where there is none. Raises DamagedError for links and huge files."""
    if not os.path.lexists(path):
        return None
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DamagedError("it is not a regular file")
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise DamagedError("it cannot be read") from error
    if len(data) > LARGEST:
        raise DamagedError(f"it has more than {LARGEST:,} bytes")
    return data


def parse(data: bytes, *, agent: str, exit_code: int) -> Result:
    """Return the result of a run of `agent` that ended with `exit_code`. Raises DamagedError."""
    try:
        found = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise DamagedError("it is not JSON") from None
    if not isinstance(found, dict):
        raise DamagedError("it is not a JSON object")
    code, outcome, stats, error = (found.get(name) for name in ("exit_code", "outcome", "stats", "error"))
    if found.get("agent") != agent:
        raise DamagedError("it is another agent's")
    if type(code) is not int or code != exit_code:
        raise DamagedError(f"its exit code is not {exit_code}, with which the container ended")
    if not isinstance(outcome, str) or outcome not in set(Outcome):
        raise DamagedError("its outcome is none of Maia's")
    if exit_code != Outcome(outcome).exit_code and exit_code not in _OTHER_CODES.get(outcome, set()):
        raise DamagedError(f"its outcome does not match exit code {exit_code}")
    if not isinstance(stats, dict):
        raise DamagedError("it has no stats")
    if error is not None and not isinstance(error, str):
        raise DamagedError("its error is not a text")
    return Result(Outcome(outcome), _time(found, "started_at"), _time(found, "finished_at"), stats, error)


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


def _time(found: Mapping[str, Any], key: str) -> datetime:
    try:
        moment = datetime.fromisoformat(found.get(key, ""))
    except (TypeError, ValueError):
        raise DamagedError(f"its {key} is not a time") from None
    if moment.tzinfo is None:
        raise DamagedError(f"its {key} has no time zone")
    return moment


def figures(stats: object, depth: int = 2) -> dict[str, Any]:
    """Return the numbers in `stats`, by name, and nothing else; counts by bucket are one level deeper.

    Names are letters and underscores, or a zone's number, so that they need no escaping.
    """
    found: dict[str, Any] = {}
    for key, value in itertools.islice(stats.items() if isinstance(stats, Mapping) else (), _MOST_KEYS):
        if not (isinstance(key, str) and _KEY.fullmatch(key)):
            continue
        if isinstance(value, Mapping):
            if depth > 1 and (inner := figures(value, depth - 1)):
                found[key] = inner
        elif (given := _number(value)) is not None:
            found[key] = given
    return found


def number(found: Mapping[str, object], name: str) -> Number | None:
    """Return the number of this name; None where there is none."""
    return _number(found.get(name))


def _number(value: object) -> Number | None:
    if type(value) is int and abs(value) < 2**63:
        return value
    if type(value) is float and math.isfinite(value) and abs(value) < 2**63:
        return round(value, 3)
    return None
