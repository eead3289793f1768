"""What new users get wrong: each mistake ends with its code and its remedy, before anything is spent or made.

The rows are those of the shared list of mistakes, and their relatives. The real commands run as child processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from atlas.db.embedded import stop

from ..support.databases import execute
from ..support.event_loop import PATIENCE
from ..support.secrets_plugin import shown

pytestmark = pytest.mark.integration

PASSWORD = "s3cretWord"
POOL = '{"hunting": ["a-hunting-key"], "tracking": ["a-tracking-key"]}'
# a folder of the kernel's, in which not even root makes a file
UNWRITABLE = Path("/proc/sys/maia/vault")
KEPT = re.compile(r"PATH|LANG|LC_.*|TMPDIR|COVERAGE_.*|COV_CORE_.*|PYTHON(UTF8|WARNINGS)")

# ── the rows of the list that belong to a database that is reached, or to the network, and where they are tested ──
_UNUSABLE = "tests/integration/test_unusable_databases.py"
_COMMAND = f"{_UNUSABLE}::test_a_command_on_an_unusable_database_says_why_and_what_to_do"
ELSEWHERE = {
    "host of DATABASE_URL does not exist": f"{_UNUSABLE}::test_who_waits_for_a_server_is_told_for_which",
    "port closed": f"{_UNUSABLE}::test_who_waits_for_a_server_is_told_for_which",
    "role may only read": f"{_UNUSABLE}::test_a_reader_is_told_which_role_writes",
    "read-only database or standby": f"{_UNUSABLE}::test_a_standby_is_read_and_not_written",
    "schema newer than this release": _COMMAND,
    "machine clock two days ahead": f"{_UNUSABLE}::test_a_machine_clock_that_is_hours_wrong_is_refused",
    "database not UTF8": f"{_UNUSABLE}::test_a_database_that_is_not_utf8_is_refused",
    "proxies (`HTTPS_PROXY`)": (
        "tests/integration/test_proxies.py"
        "::test_the_api_is_asked_through_the_proxy_and_trusted_by_the_companys_authority"
    ),
}


@dataclass(frozen=True)
class Row:
    """One mistake.

    Attributes:
        mistake: as the list names it, or words of our own.
        command: what is run.
        code: how it has to end.
        says: what it has to say.
        environment: beyond what is right; None as a value unsets. {dsn} stands for a good address.
        dotenv: the file .env, by its folder.
        folder: where the command is started.
        never: what must not be said.
    """

    mistake: str
    command: str
    code: int
    says: tuple[str, ...]
    environment: dict[str, str | None] = field(default_factory=dict)
    dotenv: dict[str, str] = field(default_factory=dict)
    folder: str = "."
    never: tuple[str, ...] = ()


NO_DATABASE: dict[str, str | None] = {"DATABASE_URL": None}
NO_POOL: dict[str, str | None] = {"YOUTUBE_API_KEY_POOL_JSON": None}
MEANT = "did you mean YOUTUBE_API_KEY_POOL_JSON?"


def url(text: str) -> dict[str, str | None]:
    return {"DATABASE_URL": text}


ROWS = [
    *[
        Row("database name missing in the URL", command, 78, ("DATABASE_URL: it names no database",), url(address))
        for command in ("maia hunter", "atlas migrate")
        for address in (f"postgresql://me:{PASSWORD}@127.0.0.1:1", )
    ],
    *[
        Row(
            "raw `@` or `#` in the password", command, 78,
            (f"write {char} as {code}", f"postgresql://me:[password with {code}]@db.test:5432/maia"),
            url(f"postgresql://me:{PASSWORD}{char}{PASSWORD}@db.test:5432/maia"),
        )
        for command, char, code in (
            ("maia hunter", "@", "%40"), ("maia tracker", "#", "%23"), ("maia queue list", "/", "%2F"),
            ("atlas migrate", "?", "%3F"), ("atlas status", "%", "%25"),
        )
    ],
    *[
        Row("`YOUTUBE_API_KEYS` or `YOUTUBE_API_KEY` set, pool unset", command, 78, (name, says),
            NO_POOL | {name: PASSWORD})
        for command, name, says in (
            ("maia hunter", "YOUTUBE_API_KEYS", MEANT), ("maia tracker", "YOUTUBE_API_KEY", MEANT),
            ("maia keys", "YOUTUBE_API_KEY", MEANT),
        )
    ],
    Row("`YOUTUBE_API_KEYS` or `YOUTUBE_API_KEY` set, pool unset", "maia hunter", 78, (MEANT,), NO_POOL,
        {".": f"YOUTUBE_API_KEY={PASSWORD}"}),
    *[
        Row("`HUNTER_BATCHSIZE=5`", command, 0, ("HUNTER_BATCHSIZE", "did you mean HUNTER_BATCH_SIZE?"),
            {"HUNTER_BATCHSIZE": "5"})
        for command in ("maia hunter", "atlas status")
    ],
    *[
        Row("`DATABASE_URL` of another tool: `?connection_limit=1&schema=app&pgbouncer=true`", command, 78,
            ("the parameter connection_limit is another tool's; set DATABASE_POOL_SIZE",
             "the parameter schema is another tool's; set DATABASE_SCHEMA"),
            url(f"postgresql://me:{PASSWORD}@127.0.0.1:1/maia?connection_limit=1&schema=app&pgbouncer=true"),
            never=("Check user, password",))
        for command in ("maia hunter", "atlas migrate")
    ],
    Row("a parameter that nobody knows", "maia hunter", 78,
        ("no_such_parameter", "Leave that parameter out of the address: it is not a setting of PostgreSQL."),
        url("{dsn}{and}no_such_parameter=1"), never=("Check user, password",)),
    Row("an address of another tool", "maia hunter", 78, ("is SQLAlchemy's way to begin; write postgresql://",),
        url(f"postgresql+asyncpg://me:{PASSWORD}@127.0.0.1:1/maia")),
    Row("HUNTER_REGION=UK, HUNTER_LANGUAGE=english", "maia hunter", 78,
        ("HUNTER_REGION: there is no UK in ISO 3166-1; write GB", "HUNTER_LANGUAGE: ", "write en"),
        {"HUNTER_REGION": "UK", "HUNTER_LANGUAGE": "english"}),
    *[
        Row("VAULT_PATH cannot be written", command, 78, ("VAULT_PATH: ", "/proc/sys"), {"VAULT_PATH": str(UNWRITABLE)})
        for command in ("maia hunter", "maia tracker", "maia janitor", "atlas forget --video dQw4w9WgXcQ --yes",
                        "atlas vault compact")
    ],
    Row("a file in the place of the archive's folder", "maia hunter", 78, ("VAULT_PATH: ", "is not a folder"),
        {"VAULT_PATH": "{here}/.env"}, {".": "HUNTER_REGION=DE"}),
    Row("VAULT_PATH cannot be written", "maia hunter", 78, ("VAULT_URL: the archive cannot be written",),
        {"VAULT_PROVIDER": "fsspec", "VAULT_URL": f"file://{UNWRITABLE}"}),
    Row("command started in a subfolder of the project", "maia queue list", 0,
        ("settings come from {here}/.env, above this folder", "The queue"), NO_DATABASE,
        {".": "DATABASE_URL={dsn}"}, "data/deep"),
    Row("command started in a subfolder of the project", "atlas status", 78,
        ("DATABASE_URL is not set here, and {home}/.env is not read from this folder", "ATLAS_EMBEDDED_PATH"),
        NO_DATABASE, {"..": "DATABASE_URL={dsn}"}, "data"),
    *[
        Row("`.env` and environment disagree", command, 0,
            ("DATABASE_URL, HUNTER_REGION: the environment's value is used; {here}/.env has another",),
            {"HUNTER_REGION": "DE"},
            {".": f"DATABASE_URL=postgresql://me:{PASSWORD}@127.0.0.1:1/other\nHUNTER_REGION=FR\nVAULT_PROVIDER=local"})
        for command in ("maia hunter", "atlas status")
    ],
    *[
        Row('list `["KEY"]` as a pool, as documented', command, 0, (), {"YOUTUBE_API_KEY_POOL_JSON": '["a-key"]'},
            never=("WARNING", "share"))
        for command in ("maia hunter", "maia plan hunter")
    ],
    Row('list `["KEY"]` as a pool, as documented', "maia keys", 0,
        ("The pool is a list of 1, too few to deal out: all rings share it",),
        {"YOUTUBE_API_KEY_POOL_JSON": '["a-key"]'}),
    Row("a pool that names the rings", "maia keys", 0, ("hunting",), never=("share it",)),
    Row("several mistakes at once", "maia hunter", 78,
        ("HUNTER_REGION: ", "HUNTER_BATCH_SIZE: ", "DATABASE_URL: ", "VAULT_PATH: ", "Empty KeyRing", MEANT,
         "TRACKER_BATCHSIZE is set"),
        {"HUNTER_REGION": "UK", "HUNTER_BATCH_SIZE": "many", "DATABASE_URL": f"postgresql://me:{PASSWORD}@127.0.0.1:1",
         "VAULT_PATH": str(UNWRITABLE), "YOUTUBE_API_KEY": PASSWORD, "TRACKER_BATCHSIZE": "5", **NO_POOL}),
    Row("several mistakes at once", "maia janitor", 78, ("HUNTER_REGION: ", "VAULT_PATH: "),
        {"HUNTER_REGION": "UK", "VAULT_PATH": str(UNWRITABLE)}),
    *[
        Row("a plan without a key", f"maia plan {agent}", 78, (f"Empty KeyRing: no keys for '{ring}'",), NO_POOL)
        for agent, ring in (("hunter", "hunting"), ("tracker", "tracking"))
    ],
    Row("VAULT_PATH of a user who does not exist", "maia hunter", 78, ("VAULT_PATH: its ~ does not name a user",),
        {"VAULT_PATH": "~no-such-user/vault"}),
]  # fmt: skip

DOTENV_LINES = [
    f'DATABASE_URL="postgresql://u:{PASSWORD}"ss@db.test:5432/maia"',
    f'YOUTUBE_API_KEY_POOL_JSON="{{"hunting": ["{PASSWORD}"], "tracking": ["KEY"]}}"',
    f'YOUTUBE_API_KEY_POOL_JSON={{"hunting": ["{PASSWORD}"],',
    f"DATABASE_URL postgresql://u:{PASSWORD}@db.test/maia",
]
ROWS += [
    Row("a line of .env that cannot be parsed", command, 78, ("{here}/.env, line 2: ",),
        {"DATABASE_URL": None, "YOUTUBE_API_KEY_POOL_JSON": None}, {".": f"# mine\n{line}\n"})
    for line in DOTENV_LINES
    for command in ("maia hunter", "atlas status")
]  # fmt: skip


@dataclass
class Youtube:
    """Counts who asks it anything, and answers nothing of use."""

    address: str
    asked: int = 0


@pytest.fixture
def youtube() -> Iterator[Youtube]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked += 1
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Youtube(f"http://127.0.0.1:{server.server_port}/youtube/v3")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Place:
    """Where the commands run: a project in the home folder, a database, and what YouTube is asked."""

    home: Path
    dsn: str
    youtube: Youtube

    @property
    def here(self) -> Path:
        return self.home / "project"

    @property
    def embedded(self) -> Path:
        return self.home / "data" / "pleiades" / "postgres"

    def filled(self, text: str) -> str:
        also = "&" if "?" in self.dsn else "?"
        for name, value in (
            ("{and}", also),
            ("{dsn}", self.dsn),
            ("{here}", str(self.here)),
            ("{home}", str(self.home)),
        ):
            text = text.replace(name, value)
        return text

    def run(self, row: Row) -> tuple[int, str]:
        """The exit code and everything that was printed."""
        environment = {name: value for name, value in os.environ.items() if KEPT.fullmatch(name)} | {
            "HOME": str(self.home),
            "XDG_DATA_HOME": str(self.home / "data"),
            "COLUMNS": "160",
            "DATABASE_URL": self.dsn,
            "YOUTUBE_API_KEY_POOL_JSON": POOL,
            "YOUTUBE_API_BASE_URL": self.youtube.address,
        }
        for name, value in row.environment.items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = self.filled(value)
        folder = self.here / row.folder
        folder.mkdir(parents=True, exist_ok=True)
        for where, text in row.dotenv.items():
            (self.here / where / ".env").write_text(self.filled(text))
        program, *arguments = row.command.split()
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; from {program}.cli import main; sys.exit(main())", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=folder,
            timeout=PATIENCE,
            check=False,
        )
        shown(f"what `{row.command}` printed", done.stdout)
        assert "Traceback" not in done.stdout, done.stdout
        assert PASSWORD not in done.stdout
        return done.returncode, done.stdout


@pytest.fixture
async def place(tmp_path: Path, dsn: str, youtube: Youtube) -> Place:
    await execute(
        dsn, "INSERT INTO search_queue (query_term, priority, source, added_at) VALUES ('lofi', 1, 'user', now())"
    )
    return Place(tmp_path / "home", dsn, youtube)


def named(row: Row) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"{row.command} {row.mistake}".lower()).strip("-")


@pytest.mark.parametrize("row", [row for row in ROWS if row.code == 78], ids=named)
def test_a_mistake_ends_with_its_remedy_before_anything_is_spent_or_made(row: Row, place: Place) -> None:
    if "/proc" in " ".join(filter(None, row.environment.values())) and not Path("/proc/sys").is_dir():
        pytest.skip("there is no folder here in which nobody may make a file")
    code, said = place.run(row)
    assert code == row.code, said
    flat = " ".join(said.split())
    for words in map(place.filled, row.says):
        assert words in flat
    for words in row.never:
        assert words not in flat
    assert place.youtube.asked == 0, "nothing is fetched"
    assert not place.embedded.exists(), "no database is made"


@pytest.mark.parametrize("row", [row for row in ROWS if row.code == 0], ids=named)
async def test_what_still_works_says_what_is_doubtful_and_no_more(row: Row, place: Place) -> None:
    await execute(place.dsn, "DELETE FROM search_queue")
    code, said = place.run(row)
    assert code == row.code, said
    flat = " ".join(said.split())
    for words in map(place.filled, row.says):
        assert words in flat
    for words in row.never:
        assert words not in flat
    assert not place.embedded.exists(), "no database is made"


def test_without_a_mistake_the_same_command_asks_youtube(place: Place) -> None:
    """What the rows above would look like if nothing was checked."""
    _, said = place.run(Row("none", "maia hunter", 78, ()))
    assert place.youtube.asked > 0, said
    assert "WARNING atlas.config" not in said


def test_an_embedded_database_without_its_setting_is_announced_once(place: Place) -> None:
    row = Row("none", "maia queue list", 0, (), NO_DATABASE)
    announced = f"a new embedded PostgreSQL is created in {place.embedded}"
    try:
        code, said = place.run(row)
        assert code == 0, said
        assert announced in said
        assert "set DATABASE_URL in the environment or in .env" in said
        assert "ATLAS_EMBEDDED_PATH" in said
        assert announced not in place.run(row)[1]
        _, said = place.run(Row("none", "maia tracker", 0, (), NO_DATABASE))
        assert f"the embedded PostgreSQL in {place.embedded} is used" in said, "a cycle says where it works"
    finally:
        asyncio.run(stop(place.embedded))


def test_one_that_was_asked_for_is_not_announced(place: Place) -> None:
    folder = place.home / "mine"
    try:
        code, said = place.run(
            Row("none", "maia queue list", 0, (), NO_DATABASE | {"ATLAS_EMBEDDED_PATH": str(folder)})
        )
        assert code == 0, said
        assert "embedded" not in said
    finally:
        asyncio.run(stop(folder))


def test_every_mistake_of_the_list_has_a_row(shared_data: Path) -> None:
    text = (shared_data.parent / "cases" / "newcomer_mistakes.md").read_text()
    listed = [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(listed) == 18
    rows = {row.mistake for row in ROWS}
    assert set(listed) - rows == set(ELSEWHERE)
    checkout = Path(__file__).resolve().parents[2]
    for test in ELSEWHERE.values():
        path, _, name = test.partition("::")
        with contextlib.suppress(FileNotFoundError):
            assert f"def {name}(" in (checkout / path).read_text(), test
