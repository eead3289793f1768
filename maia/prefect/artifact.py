"""The Markdown that a Prefect server shows of a run: how it ended, its figures, and the way to its workflow run."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from maia.prefect.run_view import RunView
from maia.runtime.result_file import one_line
from maia.runtime.run_end import RunEnd


def artifact_key(name: str) -> str:
    """Return the key under which a server keeps the artifacts of all runs of an agent or flow."""
    return f"maia-{name.lower().replace('_', '-')}"


def artifact_text(name: str, end: RunEnd, stats: Mapping[str, Any], view: RunView | None = None) -> str:
    """Return Markdown. ``name``: of the run; ``stats``: its counts, ``reason`` and ``calls`` by bucket."""
    why = end.error or stats.get("reason")
    lines = [f"# {_escaped(name)}", "", f"Outcome: **{end.outcome}**, exit code {int(end.exit_code)}"]
    if why:
        lines += ["", _code(str(why))]
    if figures := list(_figures(stats)):
        lines += ["", "| figure | number |", "|---|---:|", *(f"| {_escaped(what)} | {n:,} |" for what, n in figures)]
    if view is not None and view.url is not None:
        lines += ["", f"[Workflow run {_escaped(view.run_id or '')}".rstrip() + f"]({_link(view.url)})"]
    return "\n".join([*lines, ""])


def _figures(stats: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, value in stats.items():
        if type(value) is int and value:
            yield name.replace("_", " "), value
    for name in ("calls", "calls_refused"):
        for bucket, number in stats.get(name, {}).items():
            yield f"{name.replace('_', ' ')}, {bucket}", number


def _code(text: str) -> str:
    """Return foreign text as code, on one line: no link, markup or HTML. Only a backtick could end it."""
    return f"`{one_line(text).replace('`', chr(39))}`"


def _escaped(text: str) -> str:
    """Return text in which nothing is markup, also in a cell of a table."""
    return "".join(f"&#{ord(c)};" if c in "\\`*_{}[]()<>#+!|&~" else c for c in one_line(text))


def _link(url: str) -> str:
    return quote(url, safe=":/?#@!$&'*+,;=%~")
