"""Messages, and how they are shortened to the limits of a service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

__all__ = ["Message", "MessageLimits", "escape_markdown", "fit", "json_bytes", "utf16_units"]

_JOINT = 32  # for what Apprise puts between a title and a body in one text, such as <b></b><br />
_CUT = "…"
_INVISIBLE = "\u200b\u200d \n"  # must not precede the mark of a cut
_MARKDOWN = re.compile(r"(https?://\S+)|([\\*_`~|]|^[#>])", re.MULTILINE)


def utf16_units(text: str) -> int:
    """Return the length as Telegram counts it; never less than the number of characters."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def json_bytes(text: str) -> int:
    """Return the length in a JSON body; never less than the number of bytes in UTF-8."""
    return len(json.dumps(text)) - 2


def escape_markdown(text: str) -> str:
    """Return the text so that a service that renders Markdown shows it literally. URLs stay as they are."""
    return _MARKDOWN.sub(lambda match: match[1] or f"\\{match[2]}", text)


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """The longest texts that a service accepts, in its own measure of the escaped text."""

    title: int  # 0: no title, it becomes part of the body
    body: int
    lines: int = 0  # 0: any number
    shared: bool = False  # whether the title counts towards the body
    measure: Callable[[str], int] = utf16_units
    escape: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Message:
    """One notification."""

    title: str
    items: tuple[str, ...] = ()  # a text for each subject; the first ones matter most
    unlisted: int = 0  # number of further subjects
    ending: tuple[str, ...] = ()

    @property
    def body(self) -> str:
        """The whole body, without a limit."""
        return _body(self.items, self.unlisted, self.ending)

    def map(self, change: Callable[[str], str]) -> Message:
        """Return the message with each of its texts changed."""
        return replace(
            self,
            title=" ".join(change(self.title).split()),
            items=tuple(change(item) for item in self.items),
            ending=tuple(change(line) for line in self.ending),
        )


def fit(message: Message, limits: MessageLimits) -> tuple[str, str]:
    """Return a title and a body within the limits of the service, escaped for it.

    Items are left out from the end, and counted in "And N more."; at least the beginning of the first one stays. A
    title that is cut is repeated in full in the body. Neither text is empty, unless the service would show the same
    text twice.
    """
    joined = limits.shared or not limits.title
    most = min(limits.title or limits.body, limits.body // 2) if joined else limits.title
    title = _cut(message.title, most, limits)
    items, ending = _filled(message.items), _filled(message.ending)
    if not items:
        items, ending = ending, ()
    if not items and not message.unlisted:
        items, title = (message.title or "Maia",), "" if joined else title
    elif title != message.title:
        items = ("\n".join((message.title, *items[:1])), *items[1:])
    shown = limits.escape(title) if joined else title
    room = limits.body - (limits.measure(shown) + _JOINT if joined else 0)
    lines = limits.lines - (not limits.title) if limits.lines else 0

    def fits(body: str) -> bool:
        return limits.measure(limits.escape(body)) <= room and not 0 < lines < body.count("\n") + 1

    for number in range(len(items), 0, -1):
        body = _body(items[:number], message.unlisted + len(items) - number, ending)
        if fits(body):
            return shown, limits.escape(body)
    first = " ".join(items[0].split()) if lines and items else "".join(items[:1])
    for end in (ending, ()):
        rest = _body((), message.unlisted + max(0, len(items) - 1), end)
        left = room - (limits.measure(limits.escape(f"\n{rest}")) if rest else 0)
        body = "\n".join(filter(None, (_cut(first, left, limits), rest)))
        if left > room // 2 and fits(body):  # not only the ending
            return shown, limits.escape(body)
    return shown, limits.escape(_cut(first, room, limits))


def _filled(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(filter(None, (text.strip() for text in texts)))


def _body(items: Sequence[str], unlisted: int, ending: Sequence[str]) -> str:
    more = f"And {unlisted:,} more." if unlisted else ""
    return "\n".join(filter(None, (*items, more, *ending)))


def _cut(text: str, room: int, limits: MessageLimits) -> str:
    """Return the text, or its beginning and a mark, within `room` in the measure of the service."""
    if limits.measure(limits.escape(text)) <= room:
        return text
    left = room - limits.measure(_CUT)
    kept = 0
    for kept, character in enumerate(text):  # noqa: B007  the number of those that fit is used below
        left -= limits.measure(limits.escape(character))
        if left < 0:
            break
    return text[:kept].rstrip(_INVISIBLE) + _CUT
