"""Write the reference tables of the documents from the code: `make docs`. With --check, compare and write nothing.

A table stands between `<!-- reference: KIND ARGUMENT ... -->` and `<!-- end of reference -->`; `KINDS` lists the kinds.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
import yaml

import atlas.cli
import maia.cli
import maia.commands.db
from atlas.adapters.questions import questions
from atlas.config import Settings
from atlas.event_types import EVENT_TYPES, FAILED_OUTCOMES
from maia.metrics.catalogue import DATABASE, PROCESS
from maia.runtime.exitcodes import EXIT_CODES

CHECKOUT = Path(__file__).resolve().parent.parent
WIDTH = 120
BLOCK = re.compile(
    r"(<!-- reference: (?P<kind>[\w-]+)(?P<arguments>[^>]*) -->\n).*?(<!-- end of reference -->)", re.DOTALL
)


def table(*rows: Sequence[str]) -> str:
    """Return a Markdown table; the first row is its head."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:], ""])


def entries(rows: Iterable[tuple[str, str, str]]) -> str:
    """Return a Markdown list of names, what each means, and a note such as its default."""
    return (
        "\n".join(
            textwrap.fill(
                f"- {name}: {meaning}{note}",
                WIDTH,
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            for name, meaning, note in rows
        )
        + "\n"
    )


def settings(*prefixes: str) -> str:
    """Return the settings whose names begin with one of these."""

    def default(name: str) -> str:
        value = Settings.model_fields[name].get_default(call_default_factory=True)
        return "." if value is None else f". Default: `{value}`.".replace(str(Path.home()), "~")

    return entries(
        (f"`{name.upper()}`", str(field.description), default(name))
        for name, field in Settings.model_fields.items()
        if name.upper().startswith(prefixes)
    )


def exit_codes() -> str:
    """Return the exit codes of Maia."""
    rows = [(str(row.code.value), row.name, row.when, row.action) for row in EXIT_CODES]
    return table(("code", "name", "when", "what to do"), *rows)


def events() -> str:
    """Return the types of events."""
    rows = []
    for name, spec in EVENT_TYPES.items():
        level = f"`{spec.level}`"
        if "outcome" in spec.payload:
            level += f"; `error` for the outcomes {', '.join(sorted(FAILED_OUTCOMES))}"
        rows.append((f"`{name}`", level, spec.when, ", ".join(spec.payload)))
    return table(("type", "level", "when", "payload"), *rows)


def metrics(source: str) -> str:
    """Return the metrics of a source."""
    rows = [
        (f"`{metric.name}`", str(metric.kind), ", ".join(f"`{label}`" for label in metric.labels), metric.meaning)
        for metric in {"process": PROCESS, "database": DATABASE}[source].values()
    ]
    return table(("name", "type", "labels", "meaning"), *rows)


def inputs(path: str) -> str:
    """Return the inputs of an action."""
    rows = _yaml(path)["inputs"].items()
    return entries(
        (f"`{name}`", row["description"], f" Default: `{row['default']}`." if row["default"] else "")
        for name, row in rows
    )


def outputs(path: str) -> str:
    """Return the outputs of an action."""
    return entries((f"`{name}`", row["description"], "") for name, row in _yaml(path)["outputs"].items())


def _yaml(path: str) -> Any:
    return yaml.safe_load((CHECKOUT / path).read_text(encoding="utf-8"))


def commands(program: str) -> str:
    """Return every command of a program with its arguments and options; first, once, the options of more than one."""
    app = {"maia": maia.cli.app(), "atlas": atlas.cli.app}[program]
    # those of `atlas`, which are also under `maia db`, stand once
    theirs = (
        {words for words, _ in _leaves(typer.main.get_command(atlas.cli.app), "atlas")} if program == "maia" else ()
    )
    leaves = [
        (words, command.help or "", [_parameter(each) for each in command.params if not getattr(each, "hidden", False)])
        for words, command in _leaves(typer.main.get_command(app), program)
        if words.replace(maia.commands.db.NAME, "atlas") not in theirs
    ]
    times = Counter(row for _, _, rows in leaves for row in rows)
    common = [row for row, commands in times.items() if commands > 1]
    sections = ["Options of several commands:\n", entries(common)] if common else []
    for words, meaning, rows in leaves:
        shared = [row[0] for row in rows if row in common]
        own = [row for row in rows if row not in common]
        first, _, _ = meaning.strip().partition("\n\n")
        sections.append(f"### {words}\n\n{' '.join(first.split())}\n")
        if own:
            sections.append(entries(own))
        if shared:
            names = f"{'Also' if own else 'Options:'} {', '.join(shared)}."
            sections.append(textwrap.fill(names, WIDTH, break_on_hyphens=False) + "\n")
    return "\n".join(["", *sections, ""])


def named_questions() -> str:
    """Return the questions of ``maia query`` with their SQL."""
    sections = []
    for name, question in questions().items():
        sql = "\n".join(line for line in question.statement.splitlines() if not line.startswith("--"))
        text = textwrap.fill(question.text, WIDTH, break_long_words=False, break_on_hyphens=False)
        sections.append(f"### {name}\n\n{text}\n\n```sql\n{sql};\n```\n")
    return "\n" + "\n".join(sections) + "\n"


def _leaves(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", {})
    if not inner or command.invoke_without_command:
        yield words, command
    for name, each in inner.items():
        yield from _leaves(each, f"{words} {name}")


def _parameter(parameter: Any) -> tuple[str, str, str]:
    names = [str(parameter.name).upper()] if parameter.param_type_name == "argument" else parameter.opts
    default = parameter.default() if callable(parameter.default) else parameter.default
    shown = "" if default in (None, False, [], ()) else f" Default: `{getattr(default, 'value', default)}`."
    meaning = " ".join((parameter.help or "").split())
    return ", ".join(f"`{name}`" for name in names), meaning, " Required." if parameter.required else shown


KINDS: dict[str, Callable[..., str]] = {
    "settings": settings, "exit-codes": exit_codes, "events": events, "inputs": inputs, "outputs": outputs,
    "commands": commands, "questions": named_questions, "metrics": metrics,
}  # fmt: skip


def rewritten(text: str) -> str:
    """Return the document with its tables as the code has them."""

    def block(match: re.Match[str]) -> str:
        return match[1] + KINDS[match["kind"]](*match["arguments"].split()) + match[4]

    return BLOCK.sub(block, text)


def undocumented(texts: Iterable[str]) -> list[str]:
    """Return the settings that are in no table."""
    blocks = [match for text in texts for match in BLOCK.finditer(text) if match["kind"] == "settings"]
    documented = tuple(prefix for block in blocks for prefix in block["arguments"].split())
    return [name.upper() for name in Settings.model_fields if not name.upper().startswith(documented)]


def main(arguments: Sequence[str]) -> int | str:
    """Write the tables. With --check, return a text that names the documents whose tables differ from the code."""
    os.environ.pop("XDG_DATA_HOME", None)  # it changes defaults
    paths = [CHECKOUT / "README.md", *sorted(CHECKOUT.glob("docs/*.md"))]
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    problems = [f"{name} is in no table of settings" for name in undocumented(texts.values())]
    for path, text in texts.items():
        if (new := rewritten(text)) != text:
            if "--check" in arguments:
                problems.append(f"{path.relative_to(CHECKOUT)} differs from the code; run `make docs`")
            else:
                path.write_text(new, encoding="utf-8")
    return "\n".join(problems) or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
