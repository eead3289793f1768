"""Text of others as text: titles, queries, what servers and libraries say. It must not steer what shows it.

Terminals obey control characters, and turn words around at marks of direction; GitHub's runner obeys commands in a log
(``::add-mask::`` at the beginning of a line, ``##[group]`` anywhere in it); services of messages notify a whole room at
an ``@everyone``, and hide an address behind the words of a link.
"""

from __future__ import annotations

import re

__all__ = ["defused", "harmless", "plain", "unaddressed"]

# controls (C0, DEL, C1), halves of surrogate pairs, separators of lines, what turns the direction of text, and marks
# that nobody sees; joiners stay, which emoji and many scripts need
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
# not at the beginning of a line alone: a terminal or a table may break the line before it
_COMMAND = re.compile(r"(?<!\S):(?=:+[a-zA-Z])")
# of Discord, Slack, Mattermost, Telegram and others; a zero-width space between is what their own libraries put
_ADDRESSES = re.compile(r"@(?=\w)|\](?=\()|<(?=[!@#])")


def plain(text: str, *, keep: str = "", instead: str = " ") -> str:
    """The text without control characters and marks of direction.

    Args:
        text: of anybody, such as a title.
        keep: those that may stay, such as line feeds.
        instead: stands for each of the others.
    """
    return _UNPRINTABLE.sub(lambda match: match[0] if match[0] in keep else instead, text)


def defused(text: str) -> str:
    """The text such that GitHub's runner sees no command in it, wherever its lines begin (runner: ActionCommand)."""
    return _COMMAND.sub(": ", text.replace("##[", "## ["))


def harmless(text: str) -> str:
    """The text on one line of a table or a message: neither a terminal nor the runner obeys anything in it."""
    return defused(plain(text))


def unaddressed(text: str) -> str:
    """The text such that a service of messages notifies nobody for it, and hides no address behind other words."""
    return _ADDRESSES.sub("\\g<0>\u200b", text)
