"""The YouTube client behind a proxy and a company's authority: real CONNECT, real TLS, in a process of its own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ..support.certificates import Authority
from ..support.child_processes import finished
from ..support.documents import CHECKOUT

pytestmark = pytest.mark.integration

HOST = "youtube.proxy.test"  # only the proxy knows where it is
KEY = "recognisable-key-of-this-test"
PASSWORD = "recognisable p@ssword"
NETRC_PASSWORD = "recognisable-netrc-password"
OK = b'{"kind": "youtube#videoListResponse", "items": [{"id": "a", "snippet": {"title": "x"}}]}'
CLIENT = """
import asyncio, logging, sys
from dataclasses import dataclass
from pydantic import SecretStr
from atlas.errors import ConfigError
from maia.runtime.logs import set_up_logging
from maia.youtube import YouTubeClient, YouTubeError

@dataclass(eq=False)
class Reservation:
    bucket: str
    key: SecretStr = SecretStr(sys.argv[2])
    fingerprint: str = "fp0"

class Ring:
    async def acquire(self, bucket):
        return Reservation(bucket)
    async def settle(self, reservations):
        print("counted", len(list(reservations)))
    async def release(self, reservation):
        print("given back")

async def main():
    set_up_logging(verbose=True)
    logging.getLogger().setLevel(logging.DEBUG)
    logging.getLogger("aiohttp").setLevel(logging.DEBUG)
    try:
        async with YouTubeClient(Ring(), base_url=sys.argv[1], backoff=0.01) as client:
            print("found", (await client.videos(["a"])).items[0].id)
    except (YouTubeError, ConfigError) as error:
        print(type(error).__name__, error)

asyncio.run(main())
"""


@dataclass
class Api:
    """A server that answers every request with one video, with TLS or without."""

    port: int = 0
    heads: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(OK)}\r\n\r\n"
            writer.write(head.encode() + OK)
            await writer.drain()
        writer.close()


@dataclass
class Tunnel:
    """An HTTP proxy that takes CONNECT alone, and whatever host is named leads to one port of this machine."""

    target: int
    port: int = 0
    user: str | None = None
    status: int = 200
    heads: list[str] = field(default_factory=list)
    seen: bytearray = field(default_factory=bytearray)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            wanted = f"Basic {base64.b64encode(f'{self.user}:{PASSWORD}'.encode()).decode()}"
            if self.user is not None and f"Proxy-Authorization: {wanted}\r\n" not in head:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            elif self.status != 200:
                writer.write(f"HTTP/1.1 {self.status} No\r\nContent-Length: 0\r\n\r\n".encode())
            elif not head.startswith("CONNECT "):
                writer.write(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")
            else:
                there, back = await asyncio.open_connection("127.0.0.1", self.target)
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await asyncio.gather(self._pass(reader, back, note=True), self._pass(there, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, note: bool = False) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if note:
                    self.seen += data
                writer.write(data)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def listening(server: Api | Tunnel, context: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context) as listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("company"), "company")


@pytest.fixture
async def api(authority: Authority) -> AsyncIterator[Api]:
    files = authority.sign(HOST)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    async with listening(found := Api(), context):
        yield found


@pytest.fixture
async def tunnel(api: Api) -> AsyncIterator[Tunnel]:
    async with listening(found := Tunnel(api.port)):
        yield found


@dataclass
class Asked:
    out: str
    err: str


async def ask(folder: Path, base_url: str, **environment: str) -> Asked:
    """What a process that asks for one video says. No secret of it is anywhere in that."""
    (folder / ".netrc").touch(mode=0o600)
    (folder / ".netrc").write_text(
        "".join(f"machine {host} login me password {NETRC_PASSWORD}\n" for host in (HOST, "localhost", "127.0.0.1"))
    )
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "TMPDIR", "PYTHONWARNINGS"}}
    code, *said = await finished(
        sys.executable, "-X", "dev", "-c", CLIENT, base_url, KEY,
        env=kept | {"HOME": str(folder)} | environment, cwd=CHECKOUT,
    )  # fmt: skip
    out, err = (text.decode() for text in said)
    assert code == 0, err
    for secret in (KEY, PASSWORD, "p%40ssword", NETRC_PASSWORD):
        assert secret not in out + err
    return Asked(out, err)


WAYS = {"upper case": ("HTTPS_PROXY", "http://"), "lower case": ("https_proxy", "http://"), "bare": ("HTTPS_PROXY", "")}


@pytest.mark.parametrize("way", WAYS)
async def test_the_api_is_asked_through_the_proxy_and_trusted_by_the_companys_authority(
    way: str, api: Api, tunnel: Tunnel, authority: Authority, tmp_path: Path
) -> None:
    name, scheme = WAYS[way]
    asked = await ask(
        tmp_path, f"https://{HOST}/youtube/v3",
        **{name: f"{scheme}127.0.0.1:{tunnel.port}", "SSL_CERT_FILE": str(authority.file)},
    )  # fmt: skip
    assert asked.out == "found a\n"
    (connect,) = tunnel.heads
    assert connect.startswith(f"CONNECT {HOST}:443 HTTP/1.1\r\n")
    # the key is inside of the tunnel alone
    assert KEY not in connect
    assert KEY.encode() not in tunnel.seen
    (head,) = api.heads
    assert f"X-Goog-Api-Key: {KEY}\r\n" in head
    # ~/.netrc has entries for both
    assert "Authorization" not in connect + head


async def test_a_folder_of_authorities_is_trusted_too(
    api: Api, tunnel: Tunnel, authority: Authority, tmp_path: Path
) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    _, name, _ = await finished("openssl", "x509", "-hash", "-noout", "-in", str(authority.file))
    (folder / f"{name.decode().strip()}.0").write_bytes(authority.file.read_bytes())
    asked = await ask(
        tmp_path, f"https://{HOST}/youtube/v3", HTTPS_PROXY=f"http://127.0.0.1:{tunnel.port}", SSL_CERT_DIR=str(folder)
    )
    assert asked.out == "found a\n"


async def test_user_and_password_are_given_to_the_proxy_alone(
    api: Api, tunnel: Tunnel, authority: Authority, tmp_path: Path
) -> None:
    tunnel.user = "someone"
    address = f"http://someone:recognisable%20p%40ssword@127.0.0.1:{tunnel.port}"
    asked = await ask(tmp_path, f"https://{HOST}/youtube/v3", HTTPS_PROXY=address, SSL_CERT_FILE=str(authority.file))
    assert asked.out == "found a\n"
    assert "Authorization" not in api.heads[0]


@pytest.mark.parametrize(
    ("status", "user", "words"),
    [
        (200, "someone", "asks for a user and a password, or refuses those (status 407)."),
        (403, None, "refuses the way (status 403)."),
        (503, None, "refuses the way (status 503)."),
    ],
)
async def test_a_proxy_that_refuses_is_named_without_its_password_and_nothing_is_counted(
    status: int, user: str | None, words: str, api: Api, tunnel: Tunnel, tmp_path: Path
) -> None:
    tunnel.status, tunnel.user = status, user
    address = f"http://someone:wrong-recognisable%20p%40ssword@127.0.0.1:{tunnel.port}"
    asked = await ask(tmp_path, f"https://{HOST}/youtube/v3", HTTPS_PROXY=address)
    lines = asked.out.splitlines()
    assert lines[-1] == f"NetworkError the proxy http://127.0.0.1:{tunnel.port} (HTTPS_PROXY) {words}"
    assert set(lines[:-1]) == {"given back"}
    assert api.heads == []


async def test_a_proxy_that_is_not_there_is_named_and_nothing_is_counted(tmp_path: Path) -> None:
    asked = await ask(
        tmp_path, f"https://{HOST}/youtube/v3", HTTPS_PROXY="http://u:recognisable p%40ssword@127.0.0.1:1"
    )
    lines = asked.out.splitlines()
    assert lines[-1].startswith("NetworkError the proxy http://127.0.0.1:1 (HTTPS_PROXY) cannot be reached: ")
    assert set(lines[:-1]) == {"given back"}


async def test_an_untrusted_authority_is_reported_with_the_setting(tunnel: Tunnel, tmp_path: Path) -> None:
    asked = await ask(tmp_path, f"https://{HOST}/youtube/v3", HTTPS_PROXY=f"http://127.0.0.1:{tunnel.port}")
    lines = asked.out.splitlines()
    assert "CERTIFICATE_VERIFY_FAILED" in lines[-1]
    assert lines[-1].endswith("set SSL_CERT_FILE to a file with its certificate authority.")
    assert set(lines[:-1]) == {"given back"}


async def test_a_file_of_authorities_that_is_not_there_is_named(tunnel: Tunnel, tmp_path: Path) -> None:
    missing = tmp_path / "authority.pem"
    asked = await ask(
        tmp_path, f"https://{HOST}/youtube/v3",
        HTTPS_PROXY=f"http://127.0.0.1:{tunnel.port}", SSL_CERT_FILE=str(missing),
    )  # fmt: skip
    assert asked.out.splitlines()[-1].endswith(
        f"SSL_CERT_FILE names '{missing}', which cannot be read: correct or unset it."
    )


@pytest.mark.parametrize(
    ("base_url", "variables"),
    [
        ("http://127.0.0.1:{}/youtube/v3", {"HTTP_PROXY": "http://127.0.0.1:1"}),
        ("http://localhost:{}/youtube/v3", {"http_proxy": "http://127.0.0.1:1", "NO_PROXY": "elsewhere.example"}),
    ],
)
async def test_an_api_on_this_machine_is_never_asked_through_a_proxy(
    base_url: str, variables: dict[str, str], tmp_path: Path
) -> None:
    async with listening(api := Api()):
        asked = await ask(tmp_path, base_url.format(api.port), **variables)
    assert asked.out == "found a\n"
    assert "Authorization" not in api.heads[0]


async def test_what_no_proxy_names_is_asked_directly(tunnel: Tunnel, tmp_path: Path) -> None:
    asked = await ask(
        tmp_path, f"https://{HOST}/youtube/v3", HTTPS_PROXY=f"http://127.0.0.1:{tunnel.port}", NO_PROXY=".proxy.test"
    )
    assert f"Cannot connect to host {HOST}:443" in asked.out
    assert tunnel.heads == []


async def test_a_proxy_of_another_kind_is_a_wrong_setting(tmp_path: Path) -> None:
    asked = await ask(tmp_path, f"https://{HOST}/youtube/v3", HTTPS_PROXY="socks5://u:recognisable%20p%40ssword@h:1080")
    assert asked.out.startswith("ConfigError HTTPS_PROXY is not the address of an HTTP proxy.")


OTHERS = {
    "the Hub's": "import sys, httpx2; print(httpx2.get(sys.argv[1]).json()['items'][0]['id'])",
    "Prefect's": "import sys, httpx; print(httpx.get(sys.argv[1]).json()['items'][0]['id'])",
    "of notifications": "import sys, requests; print(requests.get(sys.argv[1]).json()['items'][0]['id'])",
}


@pytest.mark.parametrize("client", OTHERS)
async def test_the_other_clients_follow_the_same_variables(
    client: str, api: Api, tunnel: Tunnel, authority: Authority
) -> None:
    _, out, err = await finished(
        sys.executable, "-c", OTHERS[client], f"https://{HOST}/",
        env={
            "PATH": os.environ["PATH"], "HTTPS_PROXY": f"http://127.0.0.1:{tunnel.port}",
            "SSL_CERT_FILE": str(authority.file), "REQUESTS_CA_BUNDLE": str(authority.file),
        },
    )  # fmt: skip
    assert out == b"a\n", err.decode()
    assert len(tunnel.heads) == 1
