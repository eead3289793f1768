"""One GET over the wire: bytes and status, or a NetworkError that knows whether the request may have arrived."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

import aiohttp

from atlas.containers import network_advice_for_url
from atlas.proxies import Proxy, authority_advice, proxy_of
from maia.youtube.errors import NetworkError

if TYPE_CHECKING:
    from pydantic import SecretStr


MAX_BODY: Final = 16 * 2**20
"""Bytes, before and after decompression. A full page is below 1 MiB; more than this is not the API."""

_CHUNK: Final = 2**16
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_PACKED: Final = {"gzip", "x-gzip", "deflate"}
_PROXY_REFUSES_USER: Final = 407
# aiohttp raises these before it is connected; upon any other error the request may have been sent.
_NOT_CONNECTED: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


@dataclass(slots=True)
class RequestProgress:
    """How far a request got. `sent` becomes true before its first byte is sent."""

    sent: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. `body` is None where it is larger than MAX_BODY."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


class Transport:
    """The HTTP session. The arguments are those of `YouTubeClient`."""

    def __init__(
        self, base_url: str, *, user_agent: str, connections: int, timeout: float, connect_timeout: float
    ) -> None:
        self._base_url = base_url.rstrip("/")
        # Google gzips only for a User-Agent that says "gzip" too (the API's documentation, "Performance tips").
        self._headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": f"{user_agent} gzip"}
        self._connections = connections
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=connect_timeout)
        self._session: aiohttp.ClientSession | None = None
        self._proxy: Proxy | None = None

    async def open(self) -> None:
        """Open the session; no connection is made yet. Raises ConfigError where the proxy's address is wrong."""
        # Not aiohttp's `trust_env`: it would also read ~/.netrc and send those credentials to the API.
        self._proxy = proxy_of(self._base_url)
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_connected)
        trace.on_connection_reuseconn.append(_connected)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            timeout=self._timeout,
            trace_configs=[trace],
            auto_decompress=False,  # aiohttp unpacks a whole chunk, without a limit of the result
        )
        # On a connection that breaks, aiohttp would silently send a GET once more: a call that YouTube may count and
        # the ring would not. There is no public switch; the client tries again with a reservation of its own.
        self._session._retry_connection = False  # noqa: SLF001

    async def close(self) -> None:
        """Close the session and its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, params: Mapping[str, str], key: SecretStr, progress: RequestProgress) -> Reply:
        """Send one request, with the key in a header, so that it is in no log of URLs. Raises NetworkError.

        `progress` is up to date even if the caller is cancelled.
        """
        if self._session is None:
            raise RuntimeError("the YouTube client is closed: use it as `async with YouTubeClient(...) as client`")
        try:
            proxy = self._proxy
            async with self._session.get(
                self._base_url + path,
                params=params,
                headers={"X-Goog-Api-Key": key.get_secret_value()},
                # A redirect would carry the key to wherever it points.
                allow_redirects=False,
                proxy=proxy.url if proxy else None,
                proxy_auth=aiohttp.BasicAuth(proxy.user, proxy.password, "utf-8") if proxy and proxy.user else None,
                trace_request_ctx={"progress": progress},
            ) as response:
                if proxy and response.status == _PROXY_REFUSES_USER:
                    failure = NetworkError(_proxy_refusal(proxy, response.status), reached=False)
                else:
                    progress.sent = True
                    return Reply(response.status, response.headers, await _read(response))
        except aiohttp.ClientHttpProxyError as exc:
            progress.sent = False  # it came as far as the proxy
            failure = NetworkError(_proxy_refusal(self._proxy, exc.status), reached=False)
        except aiohttp.ClientProxyConnectionError as exc:
            failure = NetworkError(
                f"{self._proxy} cannot be reached: {exc.strerror or type(exc).__name__}.", reached=False
            )
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as exc:
            failure = NetworkError(
                f"The YouTube Data API cannot be reached: {_describe(exc)}. {authority_advice()}", reached=False
            )
        except _NOT_CONNECTED as exc:
            advice = network_advice_for_url(self._base_url)
            failure = NetworkError(f"The YouTube Data API cannot be reached: {_describe(exc)}.{advice}", reached=False)
        except (aiohttp.ClientError, OSError) as exc:  # TimeoutError is an OSError
            # the deadline of the whole request may also pass before aiohttp is connected
            progress.sent = progress.sent or not isinstance(exc, TimeoutError)
            failure = NetworkError(
                f"The YouTube Data API gave no whole answer: {_describe(exc)}.", reached=progress.sent
            )
        # Raised outside the handlers, without aiohttp's exception as context: its repr may show the headers.
        raise failure


def _proxy_refusal(proxy: Proxy | None, status: int) -> str:
    what = "asks for a user and a password, or refuses those" if status == _PROXY_REFUSES_USER else "refuses the way"
    return f"{proxy} {what} (status {status})."


async def _connected(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx["progress"].sent = True


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the body, unpacked; None where it, or what it unpacks to, is larger than MAX_BODY."""
    encoding = ",".join(response.headers.getall("Content-Encoding", ["identity"])).strip().lower()
    if encoding not in {"", "identity"} | _PACKED:
        raise aiohttp.ClientPayloadError(f"Content-Encoding {encoding[:40]!r}, which was not asked for")
    body = bytearray()
    member = zlib.decompressobj(_GZIP_OR_ZLIB) if encoding in _PACKED else None
    received = 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        received += len(chunk)
        if member is None:
            body += chunk
        else:
            member = _unpack(member, chunk, body)
        if max(received, len(body)) > MAX_BODY:
            response.close()
            return None
    if member is not None and received and not member.eof:
        raise aiohttp.ClientPayloadError(f"the end of its {encoding} is missing")
    return bytes(body)


def _unpack(member: zlib._Decompress, packed: bytes, body: bytearray) -> zlib._Decompress:
    """Add to the body what a chunk unpacks to, up to one byte more than MAX_BODY. Return the gzip member that is open.

    A gzip may have several members, and zeros behind the last one.
    """
    while len(body) <= MAX_BODY:
        if member.eof:
            packed = packed.lstrip(b"\0")
        if not packed:
            break
        if member.eof:
            member = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            body += member.decompress(packed, MAX_BODY + 1 - len(body))
        except zlib.error as error:
            raise aiohttp.ClientPayloadError(f"it cannot be unpacked: {error}") from None
        packed = member.unused_data
    return member


def _describe(exc: BaseException) -> str:
    return "no answer in time" if isinstance(exc, TimeoutError) else " ".join(f"{type(exc).__name__} {exc}".split())
