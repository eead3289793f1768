"""The embedded PostgreSQL with real servers, real client processes, and real kills."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from atlas.db.embedded import EmbeddedServer, start, stop
from atlas.db.embedded._folder import Folder, command_line
from atlas.db.embedded._lock import FileLock
from atlas.errors import ConfigError, DatabaseUnavailable

from ..support.child_processes import child, end
from ..support.databases import closing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

pytestmark = pytest.mark.integration

GRACE = 0.4  # seconds
PATIENCE = 30.0  # seconds; far more than anything here takes
CHECKOUT = Path(__file__).parents[2]

# A client: joins, says so, and then answers each line on its stdin with one on its stdout.
CLIENT = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    import asyncpg
    from atlas.db.embedded import start

    async def main():
        server = await start(Path(sys.argv[1]), grace=float(sys.argv[2]))
        print("joined", server.dsn, flush=True)
        for line in sys.stdin:
            if line.strip() == "leave":
                await server.leave()
                await server.leave()
                print("left", flush=True)
                continue
            connection = await asyncpg.connect(server.dsn)
            print(await connection.fetchval(line), flush=True)
            await connection.close()

    asyncio.run(main())
""")
POSTMASTER = "SELECT pg_read_file('postmaster.pid', 0, 10)"


class Client:
    """A child process that uses a server."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.dsn = ""

    async def line(self) -> str:
        assert self.process.stdout
        line = (await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)).decode().strip()
        assert line, "the client ended"
        return line

    async def ask(self, text: str) -> str:
        assert self.process.stdin
        self.process.stdin.write(f"{text}\n".encode())
        return await self.line()


@contextlib.asynccontextmanager
async def joined(
    number: int, path: Path, *, prefix: tuple[str, ...] = (), env: dict[str, str] | None = None
) -> AsyncIterator[list[Client]]:
    """Client processes that start at once and have joined the server; they are killed when the block ends."""
    command = (*prefix, sys.executable, "-c", CLIENT, str(path), str(GRACE))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    async with contextlib.AsyncExitStack() as opened:
        clients = [Client(await opened.enter_async_context(child(*command, **pipes, env=env))) for _ in range(number)]
        for client in clients:
            word, client.dsn = (await client.line()).split()
            assert word == "joined"
        yield clients


async def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        await asyncio.sleep(0.01)


async def until_stopped(path: Path) -> None:
    folder = Folder(path)
    await until(lambda: folder.recorded() is None and not FileLock(folder.keeper_lock).taken(), "the server stopped")


async def until_gone(*pids: int) -> None:
    """A server releases its folder, and ends a moment later."""
    await until(lambda: not any(command_line(pid).strip() for pid in pids), f"the end of {pids}")


async def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    await until_gone(pid)


async def kill_keeper(path: Path) -> None:
    """Kill the keeper and wait for its lock, which the kernel drops a moment after the process has gone."""
    await kill(keeper(path))
    await until(lambda: not FileLock(Folder(path).keeper_lock).taken(), "the keeper's lock is free")


async def answers(server: EmbeddedServer) -> None:
    assert await query(server, "SELECT 1") == 1


async def query(server: EmbeddedServer, statement: str) -> object:
    async with closing(asyncpg.connect(server.dsn)) as connection:
        return await connection.fetchval(statement)


def postmaster(path: Path) -> int:
    running = Folder(path).running()
    assert running is not None
    return running.pid


def keeper(path: Path) -> int:
    pid = Folder(path).keeping()
    assert pid is not None
    return pid


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder that was made once: a copy starts in a tenth of the time."""
    path = tmp_path_factory.mktemp("template") / "server"

    async def make() -> None:
        await start(path, grace=GRACE)
        await stop(path)

    asyncio.run(make())
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def path(template: Path) -> AsyncIterator[Path]:
    """The folder of a server with data. Whatever the test did, nothing is left running."""
    base = Path(tempfile.mkdtemp(prefix="maia-", dir="/tmp"))
    shutil.copytree(template, base / "server")
    yield base / "server"
    await stop(base / "server")
    shutil.rmtree(base)


@pytest.fixture
async def clients(path: Path) -> AsyncIterator[list[Client]]:
    async with joined(3, path) as clients:
        yield clients


async def test_a_fresh_folder_gets_a_server_that_answers(tmp_path: Path) -> None:
    path = tmp_path / "new" / "server"
    server = await start(path, grace=GRACE)
    try:
        assert server.path == path
        assert server.version.split(".")[0] == Folder(path).data_version()
        assert "version='" in repr(server)
        wanted = {
            "server_encoding": "UTF8", "data_checksums": "on", "fsync": "on", "synchronous_commit": "on",
            "unix_socket_permissions": "0700", "listen_addresses": "",
        }  # fmt: skip
        assert {name: await query(server, f"SHOW {name}") for name in wanted} == wanted
        assert await query(server, "SELECT lower('ÄÖÜ')") == "äöü"
        assert {stat.S_IMODE(p.stat().st_mode) for p in (path.parent, path, *path.iterdir()) if p.is_dir()} == {0o700}
        await server.leave()
        await server.leave()
        await until_stopped(path)
    finally:
        await stop(path)


async def test_six_processes_that_start_at_once_share_one_server(path: Path) -> None:
    async with joined(6, path) as clients:
        assert len({client.dsn for client in clients}) == 1
        assert len({await client.ask(POSTMASTER) for client in clients}) == 1
        started = "starting PostgreSQL"
        assert Folder(path).log.read_text().count(started) == 2, "one for the template, one for all"


async def test_a_server_runs_until_its_last_client_has_left(path: Path, clients: list[Client]) -> None:
    served_by = postmaster(path)
    await end(clients[0].process)
    assert await clients[1].ask("SELECT 1") == "1"
    assert await clients[1].ask("leave") == "left"
    # Longer than the grace time: one client is enough to keep it up.
    assert await clients[2].ask(f"SELECT pg_sleep({GRACE * 2}) IS NULL") == "False"
    assert postmaster(path) == served_by
    assert await clients[2].ask("leave") == "left"
    await until_stopped(path)
    await until_gone(served_by)


async def test_it_stops_by_itself_when_all_clients_are_killed(path: Path, clients: list[Client]) -> None:
    for client in clients:
        client.process.kill()
    await until_stopped(path)


async def test_a_killed_server_is_started_again_under_its_clients(path: Path, clients: list[Client]) -> None:
    before = postmaster(path)
    server = await start(path)
    active = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND pid <> pg_backend_pid()"
    async with closing(asyncpg.connect(server.dsn)) as at_work, closing(asyncpg.connect(server.dsn)) as look:
        # A backend in the midst of a long query does not notice that its server died. The query is one message: between
        # two, the driver would report the loss as a mistake of the caller.
        busy = asyncio.create_task(at_work.execute("SELECT count(*) FROM (SELECT generate_series(1, 1e12)) AS numbers"))
        while (backend := await look.fetchval(active)) is None:
            await asyncio.sleep(0.01)
        await kill(before)
        await answers(await start(path))
        assert postmaster(path) != before
        assert not command_line(backend).strip()
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await busy
    assert await clients[0].ask("SELECT 1") == "1"


async def test_a_killed_keeper_is_replaced_by_one_that_starts_and_stops_the_server(
    path: Path, clients: list[Client]
) -> None:
    before = postmaster(path)
    await kill_keeper(path)
    assert await clients[0].ask("SELECT 1") == "1"
    servers = [await start(path, grace=GRACE)]
    await answers(servers[0])
    assert postmaster(path) == before, "the new keeper adopts it"
    await kill(before)
    servers.append(await start(path))
    await answers(servers[1])
    assert postmaster(path) != before
    before = postmaster(path)
    await kill_keeper(path)
    servers.append(await start(path, grace=GRACE))
    for client in clients:
        await end(client.process)
    for server in servers:
        await server.leave()
    await until_stopped(path)
    await until_gone(before)


async def test_a_server_that_outlived_its_keeper_is_stopped_too(path: Path) -> None:
    await start(path)
    before = postmaster(path)
    await kill_keeper(path)
    await stop(path)
    await until_gone(before)


async def test_everything_killed_at_once_recovers_at_the_next_start(path: Path, clients: list[Client]) -> None:
    assert await clients[0].ask("CREATE TABLE kept AS SELECT 42 AS answer") == "None"
    for pid in (keeper(path), postmaster(path), *(client.process.pid for client in clients)):
        os.kill(pid, signal.SIGKILL)
    assert await query(await start(path, grace=GRACE), "SELECT answer FROM kept") == 42


async def test_a_process_id_that_is_somebody_elses_by_now_is_left_alone(path: Path) -> None:
    async with child("sleep", "600") as stranger:
        (path / "data" / "postmaster.pid").write_text(
            f"{stranger.pid}\n{path / 'data'}\n1\n5432\n{path / 'run'}\n\n0 0\nready\n"
        )
        (path / "keeper.lock").write_text(f"{stranger.pid}\n")
        await answers(await start(path))
        await stop(path)
        assert stranger.returncode is None


async def test_a_keeper_that_is_killed_while_it_makes_the_data_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "server"
    left = path / "data.new-half" / "PG_VERSION"
    left.parent.mkdir(parents=True)
    left.write_text("18\n")
    (path / "data").mkdir(mode=0o700)
    starting = asyncio.create_task(start(path, grace=GRACE))
    try:
        await until(lambda: set(path.glob("data.new-*/PG_VERSION")) - {left}, "initdb is at work")
        await kill_keeper(path)
        await answers(await starting)
        assert not list(path.glob("data.new-*"))
    finally:
        await stop(path)


@pytest.mark.parametrize(
    ("file", "text", "error", "message"),
    [
        ("PG_VERSION", "9\n", ConfigError, r"made by PostgreSQL 9, .* set DATABASE_URL"),
        ("postgresql.conf", "no_such_setting = 1\n", DatabaseUnavailable, "no_such_setting"),
    ],
    ids=["another major version", "a server that ends at once"],
)
async def test_why_a_server_does_not_start_is_in_the_error(
    path: Path, file: str, text: str, error: type[Exception], message: str
) -> None:
    (path / "data" / file).write_text(text)
    with pytest.raises(error, match=message):
        await start(path)
    assert not FileLock(path / "clients.lock").taken()


async def test_it_does_not_wait_for_ever(path: Path) -> None:
    await start(path)
    paused = postmaster(path)
    os.kill(paused, signal.SIGSTOP)
    try:
        with pytest.raises(DatabaseUnavailable, match="did not answer in time"):
            await start(path, timeout=0.2)
        with pytest.raises(DatabaseUnavailable, match="does not stop"):
            await stop(path, timeout=0.2)
    finally:
        os.kill(paused, signal.SIGCONT)


async def test_no_permission_of_any_folder_changes(template: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        base = Path(name)
        parents = [base, base / "closed", base / "closed" / "open", base / "closed" / "open" / "server"]
        for folder, mode in zip(parents, (0o755, 0o700, 0o755, 0o750), strict=True):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
        watched = [*parents, *base.parents, Path.home(), *Path.home().parents]

        def look() -> list[tuple[int, int, int]]:
            return [(found.st_mode, found.st_uid, found.st_gid) for found in (folder.stat() for folder in watched)]

        before = look()
        shutil.copytree(template / "data", parents[-1] / "data")
        try:
            await answers(await start(parents[-1]))
            assert look() == before
        finally:
            await stop(parents[-1])
        assert look() == before


@pytest.mark.parametrize("name", ["x" * 150, "one,two three"])
async def test_a_path_that_is_too_long_or_too_odd_for_a_socket_works(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    shutil.copytree(template, path)
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:
        monkeypatch.setenv("TMPDIR", temporary)
        monkeypatch.setattr(tempfile, "tempdir", temporary)
        server = await start(path, grace=GRACE)
        try:
            await answers(server)
            (socket_dir,) = Path(temporary).iterdir()
            assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
            # A client with another temp folder in its environment finds the same server.
            async with joined(1, path, env={**os.environ, "TMPDIR": str(tmp_path)}) as (other,):
                assert other.dsn == server.dsn
        finally:
            await stop(path)
        assert not list(Path(temporary).iterdir())


async def test_stop_does_not_ask_the_clients_and_they_may_start_again(path: Path, clients: list[Client]) -> None:
    before = postmaster(path)
    await stop(path)
    await until_gone(before)
    await stop(path)
    await answers(await start(path, grace=GRACE))
    assert await clients[0].ask("SELECT 1") == "1"
    await stop(path.with_name("nothing"))
    assert not path.with_name("nothing").exists()


async def test_a_removed_folder_takes_its_server_along(path: Path) -> None:
    await start(path, grace=GRACE)
    pids = postmaster(path), keeper(path)
    path.rename(path.with_name("gone"))
    await until_gone(*pids)


async def test_what_is_launched_is_detached_and_knows_no_secrets(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "not-for-a-server")
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    await start(path, grace=GRACE)
    os.close(writer)
    assert os.read(reader, 1) == b""  # no process that was launched holds the other end
    os.close(reader)
    for pid in (keeper(path), postmaster(path)):
        assert os.getsid(pid) != os.getsid(0)
        if Path("/proc/self/environ").exists():
            assert b"not-for-a-server" not in Path(f"/proc/{pid}/environ").read_bytes()


async def test_a_start_that_is_cancelled_leaves_no_registration(path: Path) -> None:
    starting = asyncio.create_task(start(path, grace=GRACE))
    await until(lambda: FileLock(path / "keeper.lock").taken() or starting.done(), "the keeper runs")
    starting.cancel()
    await asyncio.wait([starting])
    await until_stopped(path)


@pytest.fixture
def unprivileged() -> tuple[str, ...]:
    """What makes a command run as a user without rights, from a session of root."""
    if os.geteuid() != 0:
        pytest.skip("this session is unprivileged as a whole: every other test here shows it")
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed")
    as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    # Where the interpreter is in a folder that only root may enter, the user may read everywhere, but still not write.
    may_read = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    again = 'exec "$0" -c "import atlas.db.embedded, asyncpg"'
    for prefix in (as_nobody, (*as_nobody, *may_read)):
        ran = subprocess.run(
            [*prefix, "sh", "-c", again, sys.executable], capture_output=True, check=False, cwd=CHECKOUT
        )
        if ran.returncode == 0:
            return prefix
    pytest.skip(f"an unprivileged user cannot run {sys.executable}")


async def test_an_unprivileged_user_has_a_server_too(unprivileged: tuple[str, ...]) -> None:
    base = Path(tempfile.mkdtemp(prefix="maia-", dir="/tmp"))
    os.chown(base, 65534, 65534)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    try:
        async with joined(1, base / "server", prefix=unprivileged, env=environment) as (client,):
            assert await client.ask("SELECT 1") == "1"
            server = postmaster(base / "server")
            assert Path(f"/proc/{server}").stat().st_uid == 65534
            assert "unshare" not in command_line(server)
            assert (base / "server").stat().st_uid == 65534
            # Root does not touch what belongs to another user.
            with pytest.raises(ConfigError, match="user 65534"):
                await start(base / "server")
    finally:
        await until_stopped(base / "server")
        shutil.rmtree(base)
