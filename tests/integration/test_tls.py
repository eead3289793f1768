"""Databases that want TLS: a real PgBouncer that takes nothing else, and whom Atlas trusts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.db import retries
from atlas.errors import ConfigError

from ..support.certificates import Authority
from ..support.commands import invoke
from ..support.pgbouncer import Pooler, pgbouncer
from ..support.tcp_proxy import wire_to

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another authority, which signed nothing here."""
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module")
def pooler(server: str, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooler]:
    """It takes no connection without TLS; its certificate is for localhost."""
    with pgbouncer(server, tmp_path_factory.mktemp("pgbouncer"), **_tls("require", authority)) as pooler:
        yield pooler


def _tls(mode: str, authority: Authority, host: str = "localhost") -> dict[str, str | int]:
    files = authority.sign(host)
    return {
        "client_tls_sslmode": mode,
        "client_tls_key_file": str(files.key),
        "client_tls_cert_file": str(files.certificate),
        "client_tls_ca_file": str(authority.file),
    }


@pytest.fixture(autouse=True)
def no_files_of_a_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The driver looks for certificates in the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


async def works(dsn: str) -> bool:
    with settings.override(database_url=dsn):
        async with Database().session() as db:
            return await db.fetch("SELECT * FROM videos") == []


async def refused(dsn: str) -> str:
    """Return the error of a wrong address, which comes at once and is not retried."""
    with settings.override(database_url=dsn):
        for use in (Database().open, Database().connect):
            with pytest.raises(ConfigError) as caught:
                await use()
    message = str(caught.value)
    assert message.startswith("DATABASE_URL: ")
    return message


async def test_tls_is_used_where_the_server_wants_it(dsn: str, pooler: Pooler, authority: Authority) -> None:
    trusted = f"sslrootcert={authority.file}"
    for parameters in (
        "", "sslmode=prefer", "sslmode=require", f"sslmode=require&{trusted}", f"sslmode=verify-ca&{trusted}",
        f"sslmode=verify-full&{trusted}", f"sslmode=verify-full&{trusted}&pgbouncer=true",
        "sslmode=require&channel_binding=prefer&sslnegotiation=postgres",
    ):  # fmt: skip
        assert await works(pooler.dsn(dsn, parameters, host="localhost")), parameters


async def test_a_certificate_of_another_authority_is_not_trusted(dsn: str, pooler: Pooler, stranger: Authority) -> None:
    for mode in ("require", "verify-ca", "verify-full"):
        message = await refused(pooler.dsn(dsn, f"sslmode={mode}&sslrootcert={stranger.file}", host="localhost"))
        assert "the server's certificate is not trusted" in message, mode
        assert "sslrootcert=FILE" in message, mode
    address = pooler.dsn(dsn, f"sslmode=verify-full&sslrootcert={stranger.file}", host="localhost")
    done = await invoke("status", DATABASE_URL=address)
    assert done.code == 78
    assert done.stderr.startswith("atlas: DATABASE_URL: the server's certificate is not trusted")
    assert done.stderr.count("\n") == 1


async def test_a_certificate_for_another_host_is_not_trusted_unless_that_is_asked(
    dsn: str, pooler: Pooler, authority: Authority
) -> None:
    trusted = f"sslrootcert={authority.file}"
    message = await refused(pooler.dsn(dsn, f"sslmode=verify-full&{trusted}", host="127.0.0.1"))
    assert "127.0.0.1" in message
    assert "Name the host as the certificate does" in message
    assert await works(pooler.dsn(dsn, f"sslmode=verify-ca&{trusted}", host="127.0.0.1"))


async def test_an_address_that_cannot_be_right_is_tried_once(
    dsn: str, pooler: Pooler, stranger: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "START_SECONDS", 600.0)
    async with wire_to(pooler.dsn(dsn)) as wire:
        address = wire.dsn() + f"?sslmode=verify-ca&sslrootcert={stranger.file}"
        with settings.override(database_url=address), pytest.raises(ConfigError):
            await Database().open()
        assert wire.connections == 1


@pytest.mark.parametrize("mode", ["", "sslmode=verify-full&"])
async def test_those_that_the_machine_trusts_are_trusted(
    dsn: str, pooler: Pooler, authority: Authority, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    address = pooler.dsn(dsn, f"{mode}sslrootcert=system", host="localhost")
    assert "not trusted" in await refused(address)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))  # as if the machine did
    assert await works(address)
    assert "Name the host as the certificate does" in await refused(address.replace("localhost", "127.0.0.1"))


FAR = "db.example.org"


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of the public DNS that leads to this machine."""
    asked = asyncio.BaseEventLoop.getaddrinfo

    async def getaddrinfo(loop: asyncio.BaseEventLoop, host: str, port: int, **options: int) -> object:
        return await asked(loop, "127.0.0.1" if host == FAR else host, port, **options)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)


@pytest.fixture(scope="module")
def far_pooler(server: str, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooler]:
    """Its certificate is for that name."""
    with pgbouncer(server, tmp_path_factory.mktemp("far"), **_tls("allow", authority, FAR)) as pooler:
        yield pooler


@pytest.mark.usefixtures("far")
async def test_a_server_that_is_not_near_has_to_prove_who_it_is(
    dsn: str, far_pooler: Pooler, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = await refused(far_pooler.dsn(dsn, host=FAR))
    assert "the server's certificate is not trusted" in message
    assert "sslrootcert=FILE names an authority that is not public, sslmode=require does without" in message
    assert await works(far_pooler.dsn(dsn, "sslmode=require", host=FAR))
    assert await works(far_pooler.dsn(dsn, f"sslrootcert={authority.file}", host=FAR))
    assert await works(far_pooler.dsn(dsn, "sslmode=disable", host=FAR))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))  # as if this machine trusted it
    assert await works(far_pooler.dsn(dsn, host=FAR))
    assert await works(far_pooler.dsn(dsn, "pgbouncer=true", host=FAR))


@pytest.mark.usefixtures("far")
async def test_a_server_without_tls_that_is_to_have_it_is_a_config_error(
    server: str, dsn: str, authority: Authority, tmp_path: Path
) -> None:
    with pgbouncer(server, tmp_path) as plain:
        message = await refused(plain.dsn(dsn, host=FAR))
        assert "the server has no TLS" in message
        assert "names no sslmode" in message
        assert "anybody" not in plain.log.read_text()  # not even the user's name
        for mode in ("require", "verify-ca", "verify-full"):
            address = plain.dsn(dsn, f"sslmode={mode}&sslrootcert={authority.file}", host="localhost")
            assert "the server has no TLS" in await refused(address), mode
        assert await works(plain.dsn(dsn, "sslmode=prefer", host="localhost"))


async def test_parameters_that_cannot_be_used_say_what_to_write(dsn: str, pooler: Pooler, tmp_path: Path) -> None:
    missing, wrong = tmp_path / "no such file.pem", tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl"):
        message = await refused(pooler.dsn(dsn, f"sslmode=require&{name}={str(missing).replace(' ', '%20')}"))
        assert f"{name}={missing} cannot be read: No such file" in message
    for parameters, words in {
        f"sslmode=verify-ca&sslrootcert={wrong}": "DATABASE_URL: ",
        "sslmode=verify-full": "sslrootcert=FILE, or sslrootcert=system",
        # authorities that sign for anybody prove nothing without the host's name
        "sslmode=require&sslrootcert=system": "sslrootcert=system goes with sslmode=verify-full",
        "sslmode=disable": "Add sslmode=require",
    }.items():
        assert words in await refused(pooler.dsn(dsn, parameters, host="localhost")), parameters


async def test_a_server_may_ask_for_the_clients_certificate(
    server: str, dsn: str, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    client = authority.sign("client")
    own = f"sslcert={client.certificate}&sslkey={client.key}"
    with pgbouncer(server, tmp_path, **_tls("verify-ca", authority)) as strict:
        for trust in (f"sslmode=verify-full&sslrootcert={authority.file}", "sslrootcert=system"):
            assert await works(strict.dsn(dsn, f"{trust}&{own}", host="localhost"))
