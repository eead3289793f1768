"""Google's error bodies and Retry-After, as they are received; `errors` interprets them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, Self

from atlas.clock import clock
from atlas.models.parsing import read_json
from atlas.redaction import scrub

_UNIT: Final = re.compile(r"1/(d|h|min|s)\b")
_LIMIT_PER_DAY: Final = re.compile(r"per_?day", re.IGNORECASE)
_TEXT_PER_DAY: Final = re.compile(r"\bper day\b|\bdaily limit\b", re.IGNORECASE)
_PROJECT: Final = re.compile(r"\bproject(?:s/|_number:| number:? ?| )([0-9]{4,20})\b", re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_INVALID: Final = re.compile(r"invalid([A-Z][A-Za-z]{0,40})")
_SECONDS: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s?")


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """An error body as far as it could be read.

    There are two envelopes. The older is `{error: {errors[], code, message}}`; the current one adds `error.status` and
    `error.details[]` (google.rpc.ErrorInfo, Help, RetryInfo). Both are read as one.
    """

    understood: bool = False
    """Whether it was an envelope at all."""
    texts: tuple[str, ...] = ()
    errors: tuple[tuple[str, str], ...] = ()  # (domain, reason)
    infos: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()  # (domain, reason, metadata)
    locations: tuple[str, ...] = ()
    """Parameters of the request that the body names as wrong."""
    retry_delay: float | None = None

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
        entries, details = _dicts(error.get("errors")), _dicts(error.get("details"))
        # the newer envelope names fields as protocol buffers do: region_code
        fields = [_word(item.get("field")) for detail in details for item in _dicts(detail.get("fieldViolations"))]
        places = [*(_word(entry.get("location")) for entry in entries), *map(_camel_case, fields)]
        delays = [_SECONDS.fullmatch(_text(detail.get("retryDelay"))) for detail in details]
        return cls(
            understood=True,
            texts=tuple(text for part in (error, *entries) if (text := _text(part.get("message")))),
            errors=tuple((_word(entry.get("domain")), _word(entry.get("reason"))) for entry in entries),
            infos=tuple(
                (_word(detail.get("domain")), _word(detail.get("reason")), _dict(detail.get("metadata")))
                for detail in details
            ),
            locations=tuple(place for place in places if place),
            retry_delay=next((float(delay[1]) for delay in delays if delay), None),
        )

    @property
    def message(self) -> str:
        """The first text; empty without any."""
        return self.texts[0] if self.texts else ""

    @property
    def _sources(self) -> list[tuple[str, str]]:
        return [*((domain, reason) for domain, reason, _ in self.infos), *self.errors]

    @property
    def reasons(self) -> frozenset[str]:
        """Every reason that is given, in either place."""
        return frozenset(reason for _, reason in self._sources)

    @property
    def gateway_reasons(self) -> frozenset[str]:
        """The reasons that do not come from YouTube itself, but from Google's API gateway before it."""
        return frozenset(reason for domain, reason in self._sources if not domain.startswith("youtube."))

    @property
    def from_youtube(self) -> bool:
        """Whether YouTube itself refused, so that the request had passed the gateway, and with it the key."""
        return any(domain.startswith("youtube.") for domain, _ in self._sources)

    @property
    def reason(self) -> str | None:
        """The most telling reason."""
        return next((reason for _, reason in self._sources if reason), None)

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


def retry_after_of(headers: Mapping[str, str], body: ErrorBody) -> float | None:
    """Return the seconds to wait, never negative: of Retry-After (a number or an HTTP date), else of the body."""
    value = next((value.strip() for name, value in headers.items() if name.lower() == "retry-after"), "")
    if match := _SECONDS.fullmatch(value):
        return float(match[1])
    try:
        time = parsedate_to_datetime(value)
        # "-0000" is read as naive; an HTTP date is in UTC in any case.
        seconds = (time.replace(tzinfo=time.tzinfo or UTC) - clock.real()).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):  # email.utils guesses at what it is given
        return body.retry_delay
    return max(0.0, seconds)


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _camel_case(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(map(str.capitalize, tail))


def _word(value: object) -> str:
    # Reasons end up in messages and in the database: one word, and nothing that looks like a key.
    return scrub(value) if isinstance(value, str) and _WORD.fullmatch(value) else ""
