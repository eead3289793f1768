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
from fnmatch import fnmatchcase
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


async def ask(folder: Path, base_url: str = f"https://{HOST}/youtube/v3", **environment: str) -> list[str]:
    """The lines of a process that asks for one video. No secret of it is anywhere in what it writes."""
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
    return out.splitlines()


WAYS = {
    "upper case": ("HTTPS_PROXY", "http://"),
    "lower case": ("https_proxy", "http://"),
    "bare": ("HTTPS_PROXY", ""),
    "with a password": ("HTTPS_PROXY", "http://someone:recognisable%20p%40ssword@"),
    "a folder of authorities": ("HTTPS_PROXY", "http://"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_the_api_is_asked_through_the_proxy_and_trusted_by_the_companys_authority(
    way: str, api: Api, tunnel: Tunnel, authority: Authority, tmp_path: Path
) -> None:
    name, begin = WAYS[way]
    trust = {"SSL_CERT_FILE": str(authority.file)}
    if "folder" in way:
        _, digest, _ = await finished("openssl", "x509", "-hash", "-noout", "-in", str(authority.file))
        (tmp_path / f"{digest.decode().strip()}.0").write_bytes(authority.file.read_bytes())
        trust = {"SSL_CERT_DIR": str(tmp_path)}
    tunnel.user = "someone" if "@" in begin else None
    assert await ask(tmp_path, **{name: f"{begin}127.0.0.1:{tunnel.port}"} | trust) == ["found a"]
    connect = tunnel.heads[-1]
    assert connect.startswith(f"CONNECT {HOST}:443 HTTP/1.1\r\n")
    # the key is inside of the tunnel alone
    assert KEY not in connect
    assert KEY.encode() not in tunnel.seen
    (head,) = api.heads
    assert f"X-Goog-Api-Key: {KEY}\r\n" in head
    # ~/.netrc has entries for both
    assert "Authorization" not in head
    assert tunnel.user or "Authorization" not in connect


OURS = "http://127.0.0.1:{port}"
WITH_PASSWORD = "http://someone:wrong-recognisable%20p%40ssword@127.0.0.1:{port}"
NAMED = "NetworkError the proxy http://127.0.0.1:{port} (HTTPS_PROXY)"
# what HTTPS_PROXY is, what the proxy answers, and the last line of the client, in which * is anything
REFUSALS = {
    "password": (WITH_PASSWORD, 407, f"{NAMED} asks for a user and a password, or refuses those (status 407)."),
    "forbidden": (WITH_PASSWORD, 403, f"{NAMED} refuses the way (status 403)."),
    "overloaded": (WITH_PASSWORD, 503, f"{NAMED} refuses the way (status 503)."),
    "not there": (
        "http://u:recognisable p%40ssword@127.0.0.1:1", 200,
        "NetworkError the proxy http://127.0.0.1:1 (HTTPS_PROXY) cannot be reached: *",
    ),
    "authority": (OURS, 200, "*CERTIFICATE_VERIFY_FAILED* set SSL_CERT_FILE to a file with its certificate authority."),
    "SSL_CERT_FILE": (OURS, 200, "*SSL_CERT_FILE names '/no/such.pem', which cannot be read: correct or unset it."),
    "NO_PROXY": (OURS, 200, f"*Cannot connect to host {HOST}:443*"),
    "kind": (
        "socks5://u:recognisable%20p%40ssword@h:1080", 200,
        "ConfigError HTTPS_PROXY is not the address of an HTTP proxy.*",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
async def test_what_is_wrong_on_the_way_is_named_without_a_password_and_nothing_is_counted(
    name: str, api: Api, tunnel: Tunnel, tmp_path: Path
) -> None:
    proxy, status, expected = REFUSALS[name]
    tunnel.status, tunnel.user = (200, "someone") if status == 407 else (status, None)
    variables = {"SSL_CERT_FILE": "/no/such.pem", "NO_PROXY": ".proxy.test"}
    given = {variable: value for variable, value in variables.items() if variable == name}
    *counted, last = await ask(tmp_path, HTTPS_PROXY=proxy.format(port=tunnel.port), **given)
    assert fnmatchcase(last, expected.replace("{port}", str(tunnel.port))), last
    assert set(counted) == (set() if name == "kind" else {"given back"})
    assert api.heads == []
    assert name != "NO_PROXY" or tunnel.heads == []


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
        assert await ask(tmp_path, base_url.format(api.port), **variables) == ["found a"]
    assert "Authorization" not in api.heads[0]


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
