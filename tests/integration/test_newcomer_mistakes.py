"""What new users get wrong: each mistake ends with its code and its remedy, before anything is spent or made."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from atlas.db.embedded import stop

from ..conftest import CHECKOUT
from ..support.databases import execute
from ..support.fake_webhook import listening
from ..support.forked_commands import Forked, forked_commands

pytestmark = pytest.mark.integration

PASSWORD = "s3cretWord"
POOL = '{"hunting": ["a-hunting-key"], "tracking": ["a-tracking-key"]}'
# a folder of the kernel's, in which not even root makes a file
UNWRITABLE = Path("/proc/sys/maia/vault")
KEPT = re.compile(r"PATH|LANG|LC_.*|TMPDIR|PYTHON(UTF8|WARNINGS)")

_UNUSABLE = "tests/integration/test_unusable_databases.py"
_COMMAND = f"{_UNUSABLE}::test_a_command_on_an_unusable_database_says_why_and_what_to_do"
_WAITED_FOR = f"{_UNUSABLE}::test_the_log_and_the_error_name_the_server_that_is_waited_for"
ELSEWHERE = {
    "host of DATABASE_URL does not exist": _WAITED_FOR,
    "port closed": _WAITED_FOR,
    "role may only read": f"{_UNUSABLE}::test_a_missing_right_is_named_with_the_role_that_has_it",
    "read-only database or standby": f"{_UNUSABLE}::test_a_standby_is_read_and_not_written",
    "schema newer than this release": _COMMAND,
    "machine clock two days ahead": f"{_UNUSABLE}::test_a_machine_clock_that_is_hours_wrong_is_refused",
    "database not UTF8": f"{_UNUSABLE}::test_a_database_that_is_not_utf8_is_refused",
    "proxies (`HTTPS_PROXY`)": (
        "tests/integration/test_proxies.py"
        "::test_the_api_is_asked_through_the_proxy_and_trusted_by_the_companys_authority"
    ),
}
"""Mistakes of the shared list that need a database that is reached, or the network, and the tests that show them."""

Environment = dict[str, str | None]


@dataclass(frozen=True)
class Row:
    """One mistake, in words of the shared list or our own.

    `environment` is beyond what is right, and None unsets; {dsn} stands for a good address. `dotenv` has the files
    `.env` by their folder.
    """

    mistake: str
    command: str
    code: int
    prints: tuple[str, ...]
    environment: Environment | None = None
    dotenv: dict[str, str] | None = None
    folder: str = "."
    never: tuple[str, ...] = ()


NO_DATABASE: Environment = {"DATABASE_URL": None}
NO_POOL: Environment = {"YOUTUBE_API_KEY_POOL_JSON": None}
WRONG_URL: Environment = {"DATABASE_URL": f"postgresql://me:{PASSWORD}@127.0.0.1:1"}
WRONG_VAULT: Environment = {"VAULT_PATH": str(UNWRITABLE)}
MEANT = "did you mean YOUTUBE_API_KEY_POOL_JSON?"
ONE_KEY: Environment = {"YOUTUBE_API_KEY_POOL_JSON": '["a-key"]'}
SINGLE_KEYS = "`YOUTUBE_API_KEYS` or `YOUTUBE_API_KEY` set, pool unset"
OTHER_TOOL = "`DATABASE_URL` of another tool: `?connection_limit=1&schema=app&pgbouncer=true`"
SUBFOLDER = "command started in a subfolder of the project"
LIST = 'list `["KEY"]` as a pool, as documented'
PARSED = "a line of .env that cannot be parsed"

REFUSED = [
    *[
        Row("database name missing in the URL", command, 78, ("DATABASE_URL: it names no database",), WRONG_URL)
        for command in ("maia hunter", "atlas migrate")
    ],
    *[
        Row("raw `@` or `#` in the password", command, 78,
            (f"write {char} as {code}", f"postgresql://me:[password with {code}]@db.test:5432/maia"),
            {"DATABASE_URL": f"postgresql://me:{PASSWORD}{char}{PASSWORD}@db.test:5432/maia"})
        for command, char, code in (
            ("maia hunter", "@", "%40"), ("maia tracker", "#", "%23"), ("maia queue list", "/", "%2F"),
            ("atlas migrate", "?", "%3F"), ("atlas status", "%", "%25"),
        )
    ],
    *[
        Row(SINGLE_KEYS, command, 78, (name, MEANT), {**NO_POOL, name: PASSWORD})
        for command, name in (
            ("maia hunter", "YOUTUBE_API_KEYS"), ("maia tracker", "YOUTUBE_API_KEY"), ("maia keys", "YOUTUBE_API_KEY"),
        )
    ],
    Row(SINGLE_KEYS + ", in .env", "maia hunter", 78, (MEANT,), NO_POOL, {".": f"YOUTUBE_API_KEY={PASSWORD}"}),
    *[
        Row(OTHER_TOOL, command, 78,
            ("the parameter connection_limit is another tool's; set DATABASE_POOL_SIZE",
             "the parameter schema is another tool's; set DATABASE_SCHEMA"),
            {"DATABASE_URL": f"{WRONG_URL['DATABASE_URL']}/maia?connection_limit=1&schema=app&pgbouncer=true"},
            never=("Check user, password",))
        for command in ("maia hunter", "atlas migrate")
    ],
    Row("an unknown parameter", "maia hunter", 78,
        ("no_such_parameter", "Leave that parameter out of the address: it is not a setting of PostgreSQL."),
        {"DATABASE_URL": "{dsn}{and}no_such_parameter=1"}, never=("Check user, password",)),
    Row("an address of another tool", "maia hunter", 78, ("is SQLAlchemy's way to begin; write postgresql://",),
        {"DATABASE_URL": f"postgresql+asyncpg://me:{PASSWORD}@127.0.0.1:1/maia"}),
    Row("HUNTER_REGION=UK, HUNTER_LANGUAGE=english", "maia hunter", 78,
        ("HUNTER_REGION: there is no UK in ISO 3166-1; write GB", "HUNTER_LANGUAGE: ", "write en"),
        {"HUNTER_REGION": "UK", "HUNTER_LANGUAGE": "english"}),
    *[
        Row("VAULT_PATH cannot be written", command, 78, ("VAULT_PATH: ", "/proc/sys"), WRONG_VAULT)
        for command in ("maia hunter", "maia tracker", "maia janitor", "atlas forget --video dQw4w9WgXcQ --yes",
                        "atlas vault compact")
    ],
    Row("a file in the place of the archive's folder", "maia hunter", 78, ("VAULT_PATH: ", "is not a folder"),
        {"VAULT_PATH": "{here}/.env"}, {".": "HUNTER_REGION=DE"}),
    Row("VAULT_URL cannot be written", "maia hunter", 78, ("VAULT_URL: the archive cannot be written",),
        {"VAULT_PROVIDER": "fsspec", "VAULT_URL": f"file://{UNWRITABLE}"}),
    Row("VAULT_PATH of a user who does not exist", "maia hunter", 78, ("VAULT_PATH: its ~ does not name a user",),
        {"VAULT_PATH": "~no-such-user/vault"}),
    Row(SUBFOLDER, "atlas status", 78,
        ("DATABASE_URL is not set here, and {home}/.env is not read from this folder", "ATLAS_EMBEDDED_PATH"),
        NO_DATABASE, {"..": "DATABASE_URL={dsn}"}, "data"),
    Row("several mistakes at once", "maia hunter", 78,
        ("HUNTER_REGION: ", "HUNTER_BATCH_SIZE: ", "DATABASE_URL: ", "VAULT_PATH: ", "Empty KeyRing", MEANT,
         "TRACKER_BATCHSIZE is set"),
        {"HUNTER_REGION": "UK", "HUNTER_BATCH_SIZE": "many", "YOUTUBE_API_KEY": PASSWORD, "TRACKER_BATCHSIZE": "5",
         **WRONG_URL, **WRONG_VAULT, **NO_POOL}),
    Row("several mistakes at once", "maia janitor", 78, ("HUNTER_REGION: ", "VAULT_PATH: "),
        {"HUNTER_REGION": "UK", **WRONG_VAULT}),
    *[
        Row("a plan without a key", f"maia plan {agent}", 78, (f"Empty KeyRing: no keys for '{ring}'",), NO_POOL)
        for agent, ring in (("hunter", "hunting"), ("tracker", "tracking"))
    ],
    *[
        Row(f"{PARSED}: {form}", command, 78, ("{here}/.env, line 2: ",), NO_DATABASE | NO_POOL,
            {".": f"# mine\n{line}\n"})
        for form, line, command in (
            ("quote in quotes", f'DATABASE_URL="postgresql://u:{PASSWORD}"ss@db.test:5432/maia"', "maia hunter"),
            ("JSON in double quotes", f'YOUTUBE_API_KEY_POOL_JSON="{{"hunting": ["{PASSWORD}"]}}"', "atlas status"),
            ("half of JSON", f'YOUTUBE_API_KEY_POOL_JSON={{"hunting": ["{PASSWORD}"],', "maia hunter"),
            ("no =", f"DATABASE_URL postgresql://u:{PASSWORD}@db.test/maia", "atlas status"),
        )
    ],
]  # fmt: skip
WORKING = [
    *[
        Row("`HUNTER_BATCHSIZE=5`", command, 0, ("HUNTER_BATCHSIZE", "did you mean HUNTER_BATCH_SIZE?"),
            {"HUNTER_BATCHSIZE": "5"})
        for command in ("maia hunter", "atlas status")
    ],
    Row(SUBFOLDER, "maia queue list", 0, ("settings come from {here}/.env, above this folder", "The queue"),
        NO_DATABASE, {".": "DATABASE_URL={dsn}"}, "data/deep"),
    *[
        Row("`.env` and environment disagree", command, 0,
            ("DATABASE_URL, HUNTER_REGION: the environment's value is used; {here}/.env has another",),
            {"HUNTER_REGION": "DE"},
            {".": f"DATABASE_URL={WRONG_URL['DATABASE_URL']}/other\nHUNTER_REGION=FR\nVAULT_PROVIDER=local"})
        for command in ("maia hunter", "atlas status")
    ],
    *[
        Row(LIST, command, 0, (), ONE_KEY, never=("WARNING", "share"))
        for command in ("maia hunter", "maia plan hunter")
    ],
    Row(LIST, "maia keys", 0, ("The pool is a list of 1, too few to deal out: all rings share it",), ONE_KEY),
    Row("a pool that names the rings", "maia keys", 0, ("hunting",), never=("share it",)),
]  # fmt: skip


@pytest.fixture(scope="module")
def commands() -> Iterator[Forked]:
    with forked_commands() as found:
        yield found


@dataclass
class Place:
    """Where the commands run: a project in the home folder, a database, and a YouTube that only counts its calls."""

    commands: Forked
    home: Path
    dsn: str
    youtube: str
    calls: list[str]

    @property
    def embedded(self) -> Path:
        return self.home / "data" / "pleiades" / "postgres"

    def filled(self, text: str) -> str:
        text = text.replace("{and}", "&" if "?" in self.dsn else "?").replace("{dsn}", self.dsn)
        return text.replace("{here}", str(self.home / "project")).replace("{home}", str(self.home))

    def run(self, command: str, row: Row | None = None, **environment: str | None) -> tuple[int, str]:
        given: Environment = {
            **{name: value for name, value in os.environ.items() if KEPT.fullmatch(name)},
            "HOME": str(self.home),
            "XDG_DATA_HOME": str(self.home / "data"),
            "COLUMNS": "160",
            "DATABASE_URL": self.dsn,
            "YOUTUBE_API_KEY_POOL_JSON": POOL,
            "YOUTUBE_API_BASE_URL": self.youtube,
            **((row and row.environment) or {}),
            **environment,
        }
        folder = self.home / "project" / (row.folder if row else ".")
        folder.mkdir(parents=True, exist_ok=True)
        for where, text in ((row and row.dotenv) or {}).items():
            (self.home / "project" / where / ".env").write_text(self.filled(text))
        filled = {name: self.filled(value) for name, value in given.items() if value is not None}
        code, printed = self.commands.run(command, filled, folder)
        assert PASSWORD not in printed
        return code, printed

    def ends_as(self, row: Row) -> None:
        code, printed = self.run(row.command, row)
        assert code == row.code, printed
        flat = " ".join(printed.split())
        assert [words for words in map(self.filled, row.prints) if words not in flat] == []
        assert [words for words in row.never if words in flat] == []
        assert not self.embedded.exists(), "no database is made"


@pytest.fixture
def place(tmp_path: Path, dsn: str, commands: Forked) -> Iterator[Place]:
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    with listening(Handler) as port:
        yield Place(commands, tmp_path / "home", dsn, f"http://127.0.0.1:{port}/youtube/v3", calls)


@pytest.fixture
async def queued(dsn: str) -> None:
    """A query is due."""
    await execute(
        dsn, "INSERT INTO search_queue (query_term, priority, source, added_at) VALUES ('lofi', 1, 'user', now())"
    )


def named(row: Row) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"{row.command} {row.mistake}".lower()).strip("-")


@pytest.mark.parametrize("row", REFUSED, ids=named)
def test_a_mistake_ends_with_its_remedy_before_anything_is_spent_or_made(row: Row, place: Place, queued: None) -> None:
    if str(UNWRITABLE) in str(row.environment) and not Path("/proc/sys").is_dir():
        pytest.skip("this system has no folder in which even root cannot make a file")
    place.ends_as(row)
    assert not place.calls, "nothing is fetched"


@pytest.mark.parametrize("row", WORKING, ids=named)
def test_what_still_works_warns_of_what_is_doubtful_and_no_more(row: Row, place: Place) -> None:
    place.ends_as(row)


def test_without_a_mistake_the_same_command_asks_youtube(place: Place, queued: None) -> None:
    """What the rows above would look like if nothing was checked."""
    _, printed = place.run("maia hunter")
    assert place.calls, printed
    assert "WARNING atlas.config" not in printed


def test_an_embedded_database_is_announced_once_unless_it_was_asked_for(place: Place) -> None:
    mine = place.home / "mine"
    announced = f"a new embedded PostgreSQL is created in {place.embedded}"
    try:
        code, printed = place.run("maia queue list", DATABASE_URL=None)
        assert code == 0, printed
        for words in (announced, "set DATABASE_URL in the environment or in .env", "ATLAS_EMBEDDED_PATH"):
            assert words in printed
        assert announced not in place.run("maia queue list", DATABASE_URL=None)[1]
        used = f"the embedded PostgreSQL in {place.embedded} is used"
        assert used in place.run("maia tracker", DATABASE_URL=None)[1], "a cycle says where it works"

        code, printed = place.run("maia queue list", DATABASE_URL=None, ATLAS_EMBEDDED_PATH=str(mine))
        assert code == 0, printed
        assert "embedded" not in printed
    finally:
        for folder in (place.embedded, mine):
            asyncio.run(stop(folder))


def test_every_mistake_of_the_list_has_a_row(shared_data: Path) -> None:
    text = (shared_data.parent / "cases" / "newcomer_mistakes.md").read_text()
    listed = [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(listed) == 18
    assert set(listed) - {row.mistake for row in (*REFUSED, *WORKING)} == set(ELSEWHERE)
    for test in ELSEWHERE.values():
        path, _, name = test.partition("::")
        if (CHECKOUT / path).exists():
            assert f"def {name}(" in (CHECKOUT / path).read_text(), test
