"""Answers as they come over the wire: JSON, Google's error envelopes, Retry-After. `errors` says what they mean."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, NoReturn, Self

import orjson

from atlas.clock import clock
from atlas.redaction import scrub

__all__ = ["ErrorBody", "read_json", "retry_after_of"]

_MOST_DIGITS: Final = 20  # of an integer of 64 bits, with its sign
_UNIT: Final = re.compile(r"1/(d|h|min|s)\b")
_LIMIT_PER_DAY: Final = re.compile(r"per_?day", re.IGNORECASE)
_TEXT_PER_DAY: Final = re.compile(r"\bper day\b|\bdaily limit\b", re.IGNORECASE)
_PROJECT: Final = re.compile(r"\bproject(?:s/|_number:| number:? ?| )([0-9]{4,20})\b", re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_INVALID: Final = re.compile(r"invalid([A-Z][A-Za-z]{0,40})")
_SECONDS: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s?")


def read_json(body: bytes) -> object:
    """What `body` says; raises ValueError when it is no JSON.

    orjson refuses texts with half a surrogate pair, which people's titles do hold, so that what it refuses is read once
    more by the slower, more lenient reader.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body.decode(), parse_constant=_refuse, parse_int=_number)
    except RecursionError:
        pass
    raise ValueError("nested too deeply")


def _number(digits: str) -> int | float:
    # as orjson has it; Python refuses to make an int of thousands of digits, and would refuse the answer with it
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """An error body as far as it could be read: flat, and safe to ask.

    There are two envelopes. The older is `{error: {errors[], code, message}}`; the current one adds `error.status` and
    `error.details[]` (google.rpc.ErrorInfo, Help, RetryInfo). Both are read as one.
    """

    understood: bool = False
    """Whether it was an envelope at all."""
    message: str = ""
    texts: tuple[str, ...] = ()
    """All messages; `message` is the first that is not empty."""
    errors: tuple[tuple[str, str], ...] = ()
    """(domain, reason) of each of `errors`."""
    infos: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()
    """(domain, reason, metadata) of each ErrorInfo."""
    locations: tuple[str, ...] = ()
    """Parameters of the request that are said to be wrong, as far as they are named."""
    retry_delay: float | None = None
    """Seconds, of a RetryInfo."""

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Read a body of any kind: HTML and nonsense give an ErrorBody that knows nothing. Never raises."""
        try:
            envelope = read_json(body)
        except ValueError:
            return cls()
        if isinstance(envelope, list) and envelope:
            envelope = envelope[0]  # streamed answers come wrapped in a list
        error = envelope.get("error") if isinstance(envelope, dict) else None
        if not isinstance(error, dict):
            return cls()
        entries = _dicts(error.get("errors"))
        details = _dicts(error.get("details"))
        texts = tuple(_text(part.get("message")) for part in (error, *entries))
        violations = (item for detail in details for item in _dicts(detail.get("fieldViolations")))
        delays = (_SECONDS.fullmatch(_text(detail.get("retryDelay"))) for detail in details)
        return cls(
            understood=True,
            message=next(filter(None, texts), ""),
            texts=texts,
            errors=tuple((_word(entry.get("domain")), _word(entry.get("reason"))) for entry in entries),
            infos=tuple(
                (
                    _word(detail.get("domain")),
                    _word(detail.get("reason")),
                    metadata if isinstance(metadata, dict) else {},
                )
                for detail in details
                for metadata in (detail.get("metadata"),)
            ),
            locations=tuple(
                filter(
                    None,
                    (
                        *(_word(entry.get("location")) for entry in entries),
                        *(_camel_case(_word(violation.get("field"))) for violation in violations),
                    ),
                )
            ),
            retry_delay=next((float(delay[1]) for delay in delays if delay), None),
        )

    @property
    def reasons(self) -> frozenset[str]:
        """Every reason that is given, in either place."""
        return frozenset(reason for _, reason in self.errors) | frozenset(reason for _, reason, _ in self.infos)

    @property
    def gateway_reasons(self) -> frozenset[str]:
        """The reasons that do not come from YouTube itself, but from Google's API gateway before it."""
        sources = [*self.errors, *((domain, reason) for domain, reason, _ in self.infos)]
        return frozenset(reason for domain, reason in sources if not domain.startswith("youtube."))

    @property
    def from_youtube(self) -> bool:
        """Whether YouTube itself refused, so that the request had passed the gateway, and with it the key."""
        domains = (*(domain for domain, _ in self.errors), *(domain for domain, _, _ in self.infos))
        return any(domain.startswith("youtube.") for domain in domains)

    @property
    def reason(self) -> str | None:
        """The one word that says most."""
        words = [*(reason for _, reason, _ in self.infos), *(reason for _, reason in self.errors)]
        return next(filter(None, words), None)

    @property
    def parameter(self) -> str | None:
        """The parameter of the request that is wrong; from the reason ("invalidRegionCode") where no place is named."""
        named = (f"{match[1][0].lower()}{match[1][1:]}" for r in self.reasons if (match := _INVALID.fullmatch(r)))
        return next(iter((*self.locations, *named)), None)

    @property
    def per_day(self) -> bool | None:
        """Whether the limit that was met is one per day; None when the body does not say.

        The unit ("1/d/{project}"), where it is given, outweighs the limit's name and the texts.
        """
        if units := [match[1] for unit in self._metadata("quota_unit") if (match := _UNIT.match(unit))]:
            return "d" in units
        if any(map(_LIMIT_PER_DAY.search, self._metadata("quota_limit"))) or any(map(_TEXT_PER_DAY.search, self.texts)):
            return True
        return None

    @property
    def project(self) -> str | None:
        """The number of the key's Google Cloud project."""
        found = map(_PROJECT.search, (*self._metadata("consumer"), *self.texts))
        return next((match[1] for match in found if match), None)

    @property
    def limit(self) -> int | None:
        """The limit's value in calls."""
        values = [v for v in self._metadata("quota_limit_value") if v.isascii() and v.isdigit() and len(v) < 19]
        return int(values[0]) if values else None

    def _metadata(self, name: str) -> Iterator[str]:
        return (value for _, _, metadata in self.infos if isinstance(value := metadata.get(name), str))


def retry_after_of(headers: Mapping[str, str], said: ErrorBody) -> float | None:
    """Seconds to wait, never negative: Retry-After (a number or an HTTP date), else what the body's RetryInfo says."""
    value = next((value.strip() for name, value in headers.items() if name.lower() == "retry-after"), "")
    if match := _SECONDS.fullmatch(value):
        return float(match[1])
    try:
        time = parsedate_to_datetime(value)
        # "-0000" is read as naive; an HTTP date is in UTC in any case.
        seconds = (time.replace(tzinfo=time.tzinfo or UTC) - clock.real()).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):  # email.utils guesses at what it is given
        return said.retry_delay
    return max(0.0, seconds)


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _camel_case(name: str) -> str:
    head, *tail = name.split("_")  # the newer envelope names fields as protocol buffers do: region_code
    return head + "".join(map(str.capitalize, tail))


def _word(value: object) -> str:
    # Reasons end up in messages and in the database: one word, and nothing that looks like a key.
    return scrub(value) if isinstance(value, str) and _WORD.fullmatch(value) else ""
