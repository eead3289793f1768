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

    @classmethod
    @contextlib.asynccontextmanager
    async def launch(
        cls, path: Path, *, prefix: tuple[str, ...] = (), env: dict[str, str] | None = None
    ) -> AsyncIterator[Client]:
        """Run a client until the block ends."""
        command = (*prefix, sys.executable, "-c", CLIENT, str(path), str(GRACE))
        async with child(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=env) as process:
            yield cls(process)

    async def line(self) -> str:
        assert self.process.stdout
        line = (await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)).decode().strip()
        assert line, "the client ended"
        return line

    async def joined(self) -> str:
        """The DSN, once the client has joined."""
        word, dsn = (await self.line()).split()
        assert word == "joined"
        return dsn

    async def ask(self, text: str) -> str:
        assert self.process.stdin
        self.process.stdin.write(f"{text}\n".encode())
        return await self.line()

    async def kill(self) -> None:
        await end(self.process)


async def until(condition: Callable[[], object], what: str) -> None:
    """Polls for an event in another process."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        await asyncio.sleep(0.01)


async def until_stopped(path: Path) -> None:
    folder = Folder(path)
    await until(lambda: folder.recorded() is None and not FileLock(folder.keeper_lock).taken(), "the server stopped")


async def until_gone(pid: int) -> None:
    """A server lets go of its folder, and ends a moment later."""
    await until(lambda: not command_line(pid).strip(), f"the end of process {pid}")


async def query(server: EmbeddedServer, statement: str) -> object:
    connection = await asyncpg.connect(server.dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def postmaster(path: Path) -> int:
    running = Folder(path).running()
    assert running is not None
    return running.pid


def keeper(path: Path) -> int:
    pid = Folder(path).keeping()
    assert pid is not None
    return pid


async def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not command_line(pid).strip(), f"process {pid} is gone")


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
    """Three client processes that have joined."""
    async with contextlib.AsyncExitStack() as opened:
        launched = [await opened.enter_async_context(Client.launch(path)) for _ in range(3)]
        for client in launched:
            await client.joined()
        yield launched


async def test_a_fresh_folder_gets_a_server_that_answers(tmp_path: Path) -> None:
    path = tmp_path / "new" / "server"
    server = await start(path, grace=GRACE)
    try:
        assert server.path == path
        assert server.version.split(".")[0] == Folder(path).data_version()
        assert await query(server, "SHOW server_encoding") == "UTF8"
        assert await query(server, "SELECT lower('ÄÖÜ')") == "äöü"
        assert await query(server, "SHOW data_checksums") == "on"
        assert await query(server, "SHOW fsync") == "on"
        assert await query(server, "SHOW synchronous_commit") == "on"
        assert await query(server, "SHOW unix_socket_permissions") == "0700"
        assert await query(server, "SHOW listen_addresses") == ""
        assert "version='" in repr(server)
        assert {stat.S_IMODE(p.stat().st_mode) for p in (path.parent, path, *path.iterdir()) if p.is_dir()} == {0o700}
        await server.leave()
        await server.leave()
        await until_stopped(path)
    finally:
        await stop(path)


async def test_six_processes_that_start_at_once_share_one_server(tmp_path: Path) -> None:
    try:
        async with contextlib.AsyncExitStack() as opened:
            launched = [await opened.enter_async_context(Client.launch(tmp_path / "server")) for _ in range(6)]
            assert len({await client.joined() for client in launched}) == 1
            assert len({await client.ask(POSTMASTER) for client in launched}) == 1
            assert Folder(tmp_path / "server").log.read_text().count("starting PostgreSQL") == 1
    finally:
        await stop(tmp_path / "server")


async def test_a_killed_client_disturbs_nobody_and_the_last_to_leave_turns_off_the_light(
    path: Path, clients: list[Client]
) -> None:
    served_by = postmaster(path)
    await clients[0].kill()
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
    # A backend in the midst of a long query does not notice that its server died.
    busy = asyncio.create_task(query(server, "SELECT count(*) FROM generate_series(1, 1000000000000)"))
    connection = await asyncpg.connect(server.dsn)
    active = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND pid <> pg_backend_pid()"
    try:
        while (backend := await connection.fetchval(active)) is None:
            await asyncio.sleep(0.01)
    finally:
        connection.terminate()
    await kill(before)
    assert await query(await start(path), "SELECT 1") == 1
    assert postmaster(path) != before
    assert not command_line(backend).strip()
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await busy
    assert await clients[0].ask("SELECT 1") == "1"


async def test_a_killed_keeper_is_replaced_and_nobody_loses_the_server(path: Path, clients: list[Client]) -> None:
    before = postmaster(path)
    await kill(keeper(path))
    assert await clients[0].ask("SELECT 1") == "1"
    server = await start(path, grace=GRACE)
    assert await query(server, "SELECT 1") == 1
    assert postmaster(path) == before
    for client in clients:
        await client.kill()
    await server.leave()
    await until_stopped(path)
    await until_gone(before)


async def test_a_server_that_outlived_its_keeper_is_stopped_too(path: Path) -> None:
    await start(path)
    before = postmaster(path)
    await kill(keeper(path))
    await stop(path)
    await until_gone(before)


async def test_an_adopted_server_that_dies_is_started_again(path: Path) -> None:
    await start(path, grace=GRACE)
    await kill(keeper(path))
    server = await start(path, grace=GRACE)
    await kill(postmaster(path))
    assert await query(await start(path), "SELECT 1") == 1
    await server.leave()


async def test_everything_killed_at_once_recovers_at_the_next_start(path: Path, clients: list[Client]) -> None:
    assert await clients[0].ask("CREATE TABLE kept AS SELECT 42 AS answer") == "None"
    for pid in (keeper(path), postmaster(path), *(client.process.pid for client in clients)):
        os.kill(pid, signal.SIGKILL)
    server = await start(path, grace=GRACE)
    assert await query(server, "SELECT answer FROM kept") == 42


async def test_a_process_id_that_is_somebody_elses_by_now_is_left_alone(path: Path) -> None:
    async with child("sleep", "600") as stranger:
        (path / "data" / "postmaster.pid").write_text(
            f"{stranger.pid}\n{path / 'data'}\n1\n5432\n{path / 'run'}\n\n0 0\nready\n"
        )
        (path / "keeper.lock").write_text(f"{stranger.pid}\n")
        server = await start(path)
        assert await query(server, "SELECT 1") == 1
        await stop(path)
        assert stranger.returncode is None


async def test_a_half_made_data_folder_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "server"
    (path / "data.new-half").mkdir(parents=True)
    (path / "data.new-half" / "PG_VERSION").write_text("18\n")
    (path / "data").mkdir(mode=0o700)
    try:
        assert await query(await start(path, grace=GRACE), "SELECT 1") == 1
        assert not list(path.glob("data.new-*"))
    finally:
        await stop(path)


async def test_a_keeper_that_is_killed_while_it_makes_the_data_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "server"
    starting = asyncio.create_task(start(path, grace=GRACE))
    try:
        await until(lambda: list(path.glob("data.new-*/PG_VERSION")), "initdb is at work")
        await kill(keeper(path))
        assert await query(await starting, "SELECT 1") == 1
    finally:
        await stop(path)


async def test_data_of_another_major_version_is_a_config_error(path: Path) -> None:
    (path / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(ConfigError, match=r"made by PostgreSQL 9, .* set DATABASE_URL"):
        await start(path)
    assert not FileLock(path / "clients.lock").taken()


async def test_a_server_that_does_not_come_up_is_reported_with_its_log(path: Path) -> None:
    (path / "data" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(DatabaseUnavailable, match="no_such_setting"):
        await start(path)


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
            assert await query(await start(parents[-1]), "SELECT 1") == 1
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
            assert await query(server, "SELECT 1") == 1
            (socket_dir,) = Path(temporary).iterdir()
            assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
            # A client with another temp folder in its environment finds the same server.
            async with Client.launch(path, env={**os.environ, "TMPDIR": str(tmp_path)}) as other:
                assert await other.joined() == server.dsn
        finally:
            await stop(path)
        assert not list(Path(temporary).iterdir())


async def test_stop_does_not_ask_the_clients_and_they_may_start_again(path: Path, clients: list[Client]) -> None:
    before = postmaster(path)
    await stop(path)
    await until_gone(before)
    await stop(path)
    assert await query(await start(path, grace=GRACE), "SELECT 1") == 1
    assert await clients[0].ask("SELECT 1") == "1"


async def test_stop_where_there_never_was_a_server_makes_nothing(tmp_path: Path) -> None:
    await stop(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


async def test_a_removed_folder_takes_its_server_along(path: Path) -> None:
    await start(path, grace=GRACE)
    server, kept_by = postmaster(path), keeper(path)
    path.rename(path.with_name("gone"))
    await until(lambda: not command_line(server).strip() and not command_line(kept_by).strip(), "both ended")


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
        async with Client.launch(base / "server", prefix=unprivileged, env=environment) as client:
            await client.joined()
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
