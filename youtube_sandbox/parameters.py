"""Read the parameters of a request as the API does, with its refusals."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

from youtube_sandbox.errors import bad_value, invalid, missing, refusal
from youtube_sandbox.ids import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_IDS: Final = 50
_MOST_RESULTS: Final = 50
_DEFAULT_RESULTS: Final = 5

_COMMON: Final = (
    "$.xgafv access_token alt callback fields key oauth_token prettyPrint quotaUser uploadType upload_protocol part "
    "onBehalfOfContentOwner"
)
ACCEPTED: Final = {
    endpoint: frozenset(f"{_COMMON} {own}".split())
    for endpoint, own in {
        "search": "channelId channelType eventType forContentOwner forDeveloper forMine location locationRadius "
        "maxResults order pageToken publishedAfter publishedBefore q regionCode relevanceLanguage safeSearch topicId "
        "type videoCaption videoCategoryId videoDefinition videoDimension videoDuration videoEmbeddable videoLicense "
        "videoPaidProductPlacement videoSyndicated videoType",
        "videos": "chart hl id locale maxHeight maxResults maxWidth myRating pageToken regionCode videoCategoryId",
        "batchGetStats": "id",
        "channels": "categoryId forHandle forUsername hl id managedByMe maxResults mine mySubscribers pageToken",
        "playlistItems": "id maxResults pageToken playlistId videoId",
    }.items()
}
"""Endpoint → the query parameters that Google's discovery document names; any other is refused."""

# A page token is not bound to these: they do not change which items are listed.
_UNBOUND: Final = frozenset(f"{_COMMON} pageToken maxResults".split())
_SECRET: Final = ("key", "access_token", "oauth_token")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


class Parameters:
    """The query of one request. Every method raises ApiError for what the API refuses."""

    def __init__(self, endpoint: str, items: Iterable[tuple[str, str]]) -> None:
        self._endpoint = endpoint
        self._values: dict[str, list[str]] = {}
        for name, value in items:
            self._values.setdefault(name, []).append(value)

    def logged(self) -> dict[str, str]:
        """Return name → value(s), without what names the caller."""
        return {name: ",".join(values) for name, values in self._values.items() if name not in _SECRET}

    def check_names(self) -> None:
        """Refuse parameters that the endpoint does not have."""
        for name in self._values:
            if name not in ACCEPTED[self._endpoint]:
                raise bad_value(name, "(unknown name): Cannot bind query parameter, the request has no such field.")

    def text(self, name: str) -> str | None:
        """Return a single value; empty counts as absent."""
        values = self._values.get(name)
        return values[-1] or None if values else None

    def listed(self, name: str) -> list[str]:
        """Return the values of a parameter that may be repeated or separated by commas, each once."""
        pieces = (piece.strip() for value in self._values.get(name, ()) for piece in value.split(","))
        return list(dict.fromkeys(piece for piece in pieces if piece))

    def ids(self) -> list[str]:
        """Return at most 50 ids."""
        found = self.listed("id")
        if len(found) > MOST_IDS:
            message = f"The request names {len(found)} ids; at most {MOST_IDS} can be asked for at once."
            raise invalid("invalidFilters", message, domain="youtube.parameter", location="id")
        return found

    def parts(self, allowed: Sequence[str]) -> set[str]:
        """Return the parts that are wanted: at least one, and only allowed ones."""
        found = self.listed("part")
        if not found:
            raise missing("part")
        for part in found:
            if part not in allowed:
                raise invalid("unknownPart", f"'{part}'", domain="youtube.part", location="part")
        return set(found)

    def max_results(self) -> int:
        """Return 0 to 50; 5 when it is not given."""
        value = self.text("maxResults")
        if value is None:
            return _DEFAULT_RESULTS
        if not value.isascii() or not value.removeprefix("-").isdigit():
            raise bad_value("max_results", f'(TYPE_UINT32), "{value}"')
        number = int(value[:12])
        if not 0 <= number <= _MOST_RESULTS:
            message = f"Invalid value '{value}'. Values must be within the range: [0, {_MOST_RESULTS}]"
            raise invalid("invalidParameter", message, domain="global", location="maxResults")
        return number

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Return one of the values of an enumeration."""
        value = self.text(name) or default
        if value not in allowed:
            raise bad_value(_snake(name), f'(an enumeration), "{value}"')
        return value

    def time(self, name: str) -> float | None:
        """Return an RFC 3339 time, which must have an offset, as seconds since 1970."""
        value = self.text(name)
        if value is None:
            return None
        if _TIME.fullmatch(value):
            with contextlib.suppress(ValueError, OverflowError):
                return datetime.fromisoformat(value.upper()).timestamp()
        raise bad_value(
            _snake(name),
            f"(type.googleapis.com/google.protobuf.Timestamp), Field '{_snake(name)}', Illegal timestamp format; it "
            "has to end with 'Z' or have a valid timezone offset.",
        )

    def offset(self) -> int:
        """Return where the page of the page token begins; 0 without one. Refuse a token of other parameters."""
        token = self.text("pageToken")
        if token is None:
            return 0
        try:
            raw = base64.b64decode(token, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise refusal("page-token") from None
        if len(raw) != 9 or raw[3:] != self._binding():
            raise refusal("page-token")
        return int.from_bytes(raw[:3], "big")

    def of_first_page(self) -> Parameters:
        """Return the same call without its page token."""
        kept = ((name, value) for name, values in self._values.items() if name != "pageToken" for value in values)
        return Parameters(self._endpoint, kept)

    def token(self, offset: int) -> str:
        """Return the page token for the page that begins at this place."""
        return base64.urlsafe_b64encode(offset.to_bytes(3, "big") + self._binding()).decode("ascii")

    def _binding(self) -> bytes:
        bound = sorted((name, value) for name, value in self._values.items() if name not in _UNBOUND)
        return digest("page", self._endpoint, bound)[:6]


def _snake(name: str) -> str:
    return re.sub(r"(?=[A-Z])", "_", name).lower()
