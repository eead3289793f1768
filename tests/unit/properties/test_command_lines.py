"""Any command line of ``maia`` and ``atlas``: understood, or refused with code 2 and a message; never a traceback.

Nothing is reached here: DATABASE_URL is no address, so that whatever is understood ends with 78 where it would begin to
work, and what an agent or the sandbox would do is not done.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from math import inf
from typing import Any

import pytest
import typer
from hypothesis import example, given
from hypothesis import strategies as st

import atlas.cli
import maia.cli
from atlas.adapters.questions import questions
from atlas.config import settings as configured
from atlas.errors import ConfigError
from maia.commands import sandbox
from maia.commands.agents import parse_shard

from ...support.examples import examples

REACHED = 78
PLANTED = "pl4nted-s3cret-value"
LISTED = (f"{next(iter(questions()))} ", '[\n  {\n    "name": ')
"""Without a question, `maia query` lists them, in words or as JSON, and needs no database."""


class ReachedError(ConfigError):
    """The command line was understood: work would begin here."""


async def _reached(*_: Any, **__: Any) -> None:
    raise ReachedError("the work")


def _begin(*_: Any, **__: Any) -> None:
    raise ReachedError("the work")


@pytest.fixture(autouse=True)
def nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"mysql://{PLANTED}@nowhere")
    monkeypatch.setenv("VAULT_PROVIDER", "off")
    monkeypatch.setattr(sandbox, "_serve", _reached)
    for module in ("maia.commands.agents", "maia.janitor", "maia.workflow.plan"):
        monkeypatch.setattr(f"{module}.run", _begin)
    monkeypatch.setattr("maia.commands.verdict.run_process", _begin)
    for module in ("verdict", "agents", "janitor", "plan"):
        monkeypatch.setattr(f"maia.commands.{module}.set_up_logging", lambda **_: None)
    # made once, not for each line
    monkeypatch.setattr(maia.cli, "app", lambda: COMMAND_OF["maia"])
    monkeypatch.setattr(atlas.cli, "app", COMMAND_OF["atlas"])
    configured.reload()


class Ended:
    """How a command line ended: its code, and what it said, through streams as a terminal in UTF-8 has them."""

    def __init__(self, main: Any, arguments: list[str]) -> None:
        streams = [
            io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=errors) for errors in ("strict", "backslashreplace")
        ]
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            try:
                main(arguments)
                self.code: object = 0
            except SystemExit as end:
                self.code = end.code or 0
        self.out, self.err = (self._said(stream) for stream in streams)

    @staticmethod
    def _said(stream: io.TextIOWrapper) -> str:
        stream.flush()
        assert isinstance(stream.buffer, io.BytesIO)
        return stream.buffer.getvalue().decode()


PROGRAMS: dict[str, Any] = {"maia": maia.cli, "atlas": atlas.cli}
APPS = {"maia": maia.cli.app(), "atlas": atlas.cli.app}
COMMAND_OF = {program: typer.main.get_command(app) for program, app in APPS.items()}


def commands(command: Any, *before: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that lead to it."""
    yield before, command
    for name, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, *before, name)


COMMANDS = {
    (program, *words): [option for parameter in command.params for option in parameter.opts if option.startswith("-")]
    for program, root in COMMAND_OF.items()
    for words, command in commands(root)
}

odd = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    | st.characters(categories=["Cs"], min_codepoint=0xDC80, max_codepoint=0xDCFF),
    max_size=12,
)
values = (
    st.sampled_from(
        [
            "", " ", "-", "--", "-1", "0", "1", "2", "0/1", "3/4", "4/4", "0/0", "-1/2", "1e3", "nan", "inf", "0.01",
            "9" * 30, "9" * 5000, "٣", "1_000", "hunter", "tracker", "videos", "csv", "parquet", "24h", "7d",
            "2026-11-22T08:00:00Z", "9999-12-31T23:59:59-23:00", "9999999w", "0001-01-01", "rate-limit:search",
            "nosuch:search", "rate-limit:search:p=2", "run_finished", "dQw4w9WgXcQ", "../../etc/passwd", "queries.txt",
            "/nowhere/x", "real", "0x", "KEY=", "=P", "a" * 300, "\x1b[31m", "\u202e", "\udcff", "::error::x", "%s",
            "{}", "\n",
        ]
    )
    | st.integers().map(str)
    | st.floats().map(str)
    | odd
)  # fmt: skip


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A program, a command, and options of it, of others and of nobody, with values that fit and values that do not."""
    words = draw(st.sampled_from(sorted(COMMANDS)))
    own = st.sampled_from(COMMANDS[words] or ["--help"])
    everybodys = st.sampled_from(sorted({option for options in COMMANDS.values() for option in options}))
    piece = st.one_of(
        st.tuples(own, values), st.tuples(own), own.flatmap(lambda option: values.map(lambda v: (f"{option}={v}",))),
        st.tuples(everybodys, values), st.tuples(values), st.tuples(odd.map(lambda text: f"--{text}")),
    )  # fmt: skip
    line = [*words, *(part for parts in draw(st.lists(piece, max_size=4)) for part in parts)]
    return [part.replace("\0", "") for part in line]


@examples(800)
@given(line=command_lines())
@example(line=["atlas", "events", "--since", "nonsense"])
@example(line=["atlas", "export", "--table", "videos", "--output", "a\udcff/b"])
@example(line=["maia", "queue", "add", "--file", "x" * 300])
@example(line=["maia", "queue", "add", "caf\udce9"])
@example(line=["maia", "query"])
@example(line=["maia", "query", "--json"])
def test_any_command_line_is_understood_or_refused_with_a_message(line: list[str]) -> None:
    """Seen to catch: an error of a file of queries that is let through."""
    program, *arguments = line
    ended = Ended(PROGRAMS[program].main, arguments)
    assert ended.code in {0, 2, REACHED}, (ended.code, ended.err)
    for text in (ended.out, ended.err):
        assert "Traceback" not in text
        assert PLANTED not in text
    if ended.code == 0:
        listed = arguments[:1] == ["query"] and ended.out.startswith(LISTED)
        assert listed or "--help" in arguments or "--version" in arguments or ended.out.startswith(("Usage", "No "))
    elif ended.code == 2 and not ended.out:
        assert re.search(r"(?m)^(Error|Usage): ", ended.err), ended.err
    elif ended.code == REACHED:
        assert re.search(rf"(?m)^{program}(?: db)?: |^Error", ended.err) or "No keys" in ended.out, ended.err


@examples(400)
@given(
    index=st.integers(-3, 10) | odd, total=st.integers(-3, 10) | odd, slash=st.sampled_from(["/", "/", "/", "", " / "])
)
@example(index=4, total=4, slash="/")
@example(index="٣", total="٤", slash="/")
@example(index=999_999, total=1_000_000, slash="/")
@example(index="", total="0/1", slash="")
def test_a_shard_is_one_of_so_many_or_a_wrong_argument(index: object, total: object, slash: str) -> None:
    """Seen to catch: a shard with the number of all (4/4)."""
    text = f"{index}{slash}{total}"
    parts = re.fullmatch(r"\s*([0-9]{1,6})/([0-9]{1,6})\s*", text)  # odd texts may add up to one
    ended = Ended(maia.cli.main, ["hunter", f"--shard={text}"])
    if parts and int(parts[1]) < int(parts[2]):
        assert (ended.code, str(parse_shard(text))) == (REACHED, f"{int(parts[1])}/{int(parts[2])}")
    elif not text.isascii() and re.fullmatch(r"\s*\d{1,6}/\d{1,6}\s*", text):
        assert ended.code in {2, REACHED}  # digits of another script
    else:
        assert ended.code == 2
        assert "is no shard; write I/N" in ended.err


numbers = st.integers(-3, 100) | st.integers() | st.floats() | st.sampled_from(["", "x", "1.0", "0x1", "1 2", "--"])


@examples(500)
@given(
    option=st.sampled_from(["--batch-size", "--cycles", "--max-minutes"]),
    agent=st.sampled_from(["hunter", "tracker"]),
    value=numbers,
)
def test_a_number_out_of_its_range_is_a_wrong_argument(option: str, agent: str, value: object) -> None:
    """Seen to catch: cycles without a least number; minutes and rows without a most."""
    ended = Ended(maia.cli.main, [agent, f"{option}={value}"])
    try:
        number = float(str(value)) if option == "--max-minutes" else int(str(value).removesuffix(".0"))
    except ValueError:
        number = None
    least, most = {"--max-minutes": (0, 525_600), "--batch-size": (1, 2**31 - 1), "--cycles": (1, inf)}[option]
    fits = number is not None and least <= number <= most
    assert ended.code == (REACHED if fits else 2), ended.err
    assert fits or option in ended.err


@pytest.mark.parametrize("agent", ["hunter", "tracker", "janitor"])
@pytest.mark.parametrize(("minutes", "meant"), [("0", None), ("0.0", None), ("0.5", 0.5), ("20", 20.0)])
def test_no_minutes_are_no_option_as_in_the_workflows(
    agent: str, minutes: str, meant: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []

    def begin(*arguments: Any) -> None:
        begun.append(arguments[-1])
        raise ReachedError("the work")

    monkeypatch.setattr("maia.janitor.run" if agent == "janitor" else "maia.commands.agents.run", begin)
    assert Ended(maia.cli.main, [agent, "--max-minutes", minutes]).code == REACHED
    assert [options.max_minutes for options in begun] == [meant]


@pytest.mark.parametrize(
    "line",
    [
        ["atlas", "events", "--since", "nonsense"],
        ["atlas", "export", "--table", "videos", "--until", "9999-12-31T23:59:59-23:00"],
        ["maia", "hunter", "--cycles", "2", "--max-minutes", "1"],
        ["maia", "janitor", "--max-minutes", "nan"],
        ["maia", "plan", "tracker", "--queries", "queries.txt"],
        ["maia", "queue", "add", "--file", "nowhere.txt"],
        ["maia", "sandbox", "--fault", "nosuch:search"],
    ],
)
def test_a_wrong_argument_is_found_out_before_the_database_is_asked_for(line: list[str]) -> None:
    """Seen to catch: a time that cannot be (OverflowError); a file's error; a time that is read in a session."""
    program, *arguments = line
    ended = Ended(PROGRAMS[program].main, arguments)
    assert ended.code == 2
    assert line[-2] in ended.err or "nowhere.txt" in ended.err


def test_the_properties_know_every_command() -> None:
    assert len(COMMANDS) >= 25
    assert ("maia", "queue", "add") in COMMANDS
    assert ("atlas", "vault", "verify") in COMMANDS
