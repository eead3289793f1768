"""Make text of others safe to show: titles, queries, and what servers and libraries say.

Terminals obey control characters and reverse words at marks of direction. GitHub's runner obeys commands in a log
(`::add-mask::` at the beginning of a line, `##[group]` anywhere in it). Chat services notify a whole room at an
`@everyone`, and hide an address behind the words of a link.
"""

from __future__ import annotations

import re

__all__ = ["escape_mentions", "escape_workflow_commands", "sanitize", "sanitize_line"]

# controls (C0, DEL, C1), halves of surrogate pairs, line separators, marks of direction and invisible marks; joiners
# stay, which emoji and many scripts need
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
# not only at the beginning of a line: a terminal or a table may break the line before it
_COMMAND = re.compile(r"(?<!\S):(?=:+[a-zA-Z])")
# of Discord, Slack, Mattermost, Telegram and others; their own libraries insert a zero-width space too
_MENTIONS = re.compile(r"@(?=\w)|\](?=\()|<(?=[!@#])")


def sanitize(text: str, *, keep: str = "", instead: str = " ") -> str:
    """Return the text with `instead` for each control character, but those to keep, and each mark of direction."""
    return _UNPRINTABLE.sub(lambda match: match[0] if match[0] in keep else instead, text)


def escape_workflow_commands(text: str) -> str:
    """Return the text without commands to GitHub's runner, wherever its lines begin (runner: ActionCommand)."""
    return _COMMAND.sub(": ", text.replace("##[", "## ["))


def sanitize_line(text: str) -> str:
    """Return the text for one line of a table or a message, safe for terminals and for GitHub's runner."""
    return escape_workflow_commands(sanitize(text))


def escape_mentions(text: str) -> str:
    """Return the text so that no chat service notifies anybody for it, or hides an address behind other words."""
    return _MENTIONS.sub("\\g<0>\u200b", text)
