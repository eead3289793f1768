"""Read and check the inputs of action.yml, which come as MAIA_INPUT_<NAME> and may be empty."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from action import settings
from action.errors import SettingError, UsageError
from maia.utf8 import decode

PREFIX = "MAIA_INPUT_"
AGENTS = ("hunter", "tracker")
"""The agents that are planned and run in shards."""
JANITOR = "janitor"
COMMANDS = (*AGENTS, JANITOR, "plan", "verdict", "check", "report")
BUILD = "build"
MOST_SHARDS = 255
"""A matrix has at most 256 jobs (GitHub Docs: usage limits)."""

_LARGEST_QUERIES = 1_000_000  # bytes

# a reference without blanks, options and control characters; the engine checks the rest
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")
_DURATION = re.compile(r"[0-9]{1,6}[smhd]")
_RUN = re.compile(r"[0-9]+(-[0-9]+)*")


@dataclass(frozen=True)
class Inputs:
    """The checked inputs."""

    command: str  # one of COMMANDS
    agent: str  # the command itself where that is an agent or the janitor
    shard: str
    batch_size: int | None
    cycles: int | None
    max_minutes: str | None
    dry_run: bool
    yes: bool
    max_shards: int
    wave: int
    run: str  # digits and hyphens; names all shards and waves of one workflow run
    queries: str
    migrate: bool
    auto_migrate: bool
    resume_keys: bool
    settings: Mapping[str, str]
    image: str  # "" for the published one, BUILD, or a name
    network: str
    fail_on_churn: bool
    max_age: str  # a duration as Maia reads it; "" for Maia's own
    days: int | None
    needs: str  # the JSON of the `needs` context
    ref: str  # of the action, as the workflow names it; "" for a local one, also in `repository`
    repository: str
    pinned: str  # the image and digest of a release; "" if this commit of the action is none

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Inputs:
        """Read and check the inputs. Raises UsageError; SettingError for a setting or a file."""

        def text(name: str) -> str:
            value = environ.get(PREFIX + name.upper().replace("-", "_"), "").strip()
            # bytes that are not UTF-8 come as lone surrogates; not shown, since it may be a secret by mistake
            if any("\ud800" <= char <= "\udfff" for char in value):
                raise UsageError(f"The input `{name}` is not UTF-8 text.")
            return value

        def only(name: str, owner: str) -> bool:
            """Read a flag of one command."""
            given = _flag(name, text(name))
            if given and command != owner:
                raise UsageError(f"The input `{name}` is for {owner}; remove it here, where the command is {command}.")
            return given

        command = _one_of("command", text("command") or "hunter", COMMANDS)
        is_agent = command in AGENTS or command == JANITOR
        agent = command if is_agent else _one_of("agent", text("agent") or "hunter", AGENTS)
        cycles, max_minutes = _count("cycles", text("cycles")), _minutes(text("max-minutes"))
        if max_minutes is not None and (cycles or 1) > 1:
            raise UsageError("Give the input `cycles` or `max-minutes`, not both.")
        if command == JANITOR and (cycles or 1) > 1:
            raise UsageError("The input `cycles` is for agents: the janitor has no cycles.")
        return cls(
            command=command,
            agent=agent,
            shard=_shard(text("shard") or "0/1"),
            batch_size=_count("batch-size", text("batch-size"), least=0) or None,
            cycles=cycles,
            max_minutes=max_minutes,
            dry_run=only("dry-run", JANITOR),
            yes=only("yes", JANITOR),
            max_shards=_count("max-shards", text("max-shards"), MOST_SHARDS) or 4,
            wave=_count("wave", text("wave"), 32_767) or 1,
            run=_run(text("run"), command, environ),
            queries=_queries(text("queries"), text("queries-file"), agent, environ) if command == "plan" else "",
            migrate=_flag("migrate", text("migrate")),
            auto_migrate=_flag("auto-migrate", text("auto-migrate") or "true"),
            resume_keys=only("resume-keys", "plan"),
            settings=settings.from_lines(text("settings")),
            image=_matching("image", text("image"), _IMAGE, "an image's name, or `build`"),
            network=_matching("network", text("network"), _NETWORK, "a Docker network's name, such as `host`"),
            fail_on_churn=_one_of("fail-on", text("fail-on"), ("", "churn")) == "churn",
            max_age=_matching("max-age", text("max-age"), _DURATION, "a duration such as 90m, 3h or 2d"),
            days=_count("days", text("days"), 366),
            needs=text("needs"),
            ref=environ.get("MAIA_ACTION_REF", "").strip(),
            repository=environ.get("MAIA_ACTION_REPOSITORY", "").strip(),
            pinned=environ.get("MAIA_ACTION_IMAGE", "").strip(),
        )


def _wrong(name: str, value: str, wanted: str) -> UsageError:
    shown = value if len(value) <= 60 else value[:59] + "…"
    return UsageError(f"The input `{name}` is {shown!r}; it must be {wanted}.")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value in allowed:
        return value
    words = [f"`{word}`" if word else "empty" for word in allowed]
    raise _wrong(name, value, f"{', '.join(words[:-1])} or {words[-1]}")


def _count(name: str, value: str, most: int = 10**9, *, least: int = 1) -> int | None:
    if not value:
        return None
    if re.fullmatch(r"[0-9]{1,10}", value) and least <= int(value) <= most:
        return int(value)
    raise _wrong(name, value, f"a whole number from {least}{f' to {most}' if most < 10**9 else ' on'}")


def _minutes(value: str) -> str | None:
    # 0 as in the workflows, whose inputs are numbers
    if not value or re.fullmatch(r"0+(\.0*)?", value):
        return None
    try:
        minutes = float(value)
    except ValueError:
        minutes = math.nan
    if not 0.01 <= minutes < math.inf:
        raise _wrong("max-minutes", value, "a number of minutes above 0, such as 20")
    return f"{minutes:g}"


def _shard(value: str) -> str:
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", value)
    if match is None or int(match[1]) >= int(match[2]):
        raise _wrong("shard", value, "I/N with I from 0 to N-1, such as 0/4")
    return f"{int(match[1])}/{int(match[2])}"


def _flag(name: str, value: str) -> bool:
    return _one_of(name, value.lower() or "false", ("true", "false")) == "true"


def _matching(name: str, value: str, pattern: re.Pattern[str], wanted: str) -> str:
    if value and not pattern.fullmatch(value):
        raise _wrong(name, value, wanted)
    return value


def _run(value: str, command: str, environ: Mapping[str, str]) -> str:
    if value:
        if len(value) > 100 or not _RUN.fullmatch(value):
            raise _wrong("run", value, "digits and hyphens, as the output `run` of the plan gives it")
        return value
    number = environ.get("GITHUB_RUN_ID", "").strip()
    attempt = environ.get("GITHUB_RUN_ATTEMPT", "").strip() or "1"
    run = f"{number}-{attempt}"
    if not _RUN.fullmatch(run):  # outside of Actions
        number, run = "", "0"
    if command == "plan" and (not number or environ.get("ACT") == "true"):
        # under act every run has the id 1; a random part separates its rows from those of earlier runs
        run += f"-{secrets.randbelow(10**12):012}"
    return run


def _queries(lines: str, name: str, agent: str, environ: Mapping[str, str]) -> str:
    """Return the queries of both inputs, one a line."""
    if agent != "hunter" and (lines or name):
        raise UsageError(
            f"The inputs `queries` and `queries-file` are for hunter; remove them here, where the agent is {agent}."
        )
    return "\n".join(part for part in (lines, _file(name, environ) if name else "") if part.strip())


def _file(name: str, environ: Mapping[str, str]) -> str:
    workspace = Path(environ.get("GITHUB_WORKSPACE") or ".").resolve()
    what = f"The file {name!r} of the input `queries-file`"
    try:
        path = (workspace / name).resolve(strict=True)
        if not path.is_relative_to(workspace):
            raise SettingError(f"{what} is outside the workspace; name one of your repository.")
        if not path.is_file():
            raise SettingError(f"{what} is not a file.")
        if path.stat().st_size > _LARGEST_QUERIES:
            raise SettingError(f"{what} has more than {_LARGEST_QUERIES:,} bytes; split it.")
        content = path.read_bytes()
    except FileNotFoundError:
        raise SettingError(
            f"{what} is not there. Does a step before this one check the repository out (actions/checkout)? "
            "Is the name written as in the repository?"
        ) from None
    except (OSError, ValueError, RuntimeError) as error:  # unreadable; a NUL in the name; a loop of links
        raise SettingError(f"{what} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    try:
        return decode(content, name)
    except ValueError as error:
        raise SettingError(f"{what}: {error}") from None
