"""The sandbox's server, where a client does what no client of the tests does."""

from __future__ import annotations

from unittest.mock import AsyncMock, Mock

from aiohttp import ClientConnectionResetError
from aiohttp.test_utils import make_mocked_request

from youtube_sandbox.server import Sandbox


async def test_a_caller_that_has_gone_before_a_cut_answer_is_no_error() -> None:
    transport = Mock()
    writer = Mock(write_headers=AsyncMock(side_effect=ClientConnectionResetError("Cannot write to closing transport")))
    await Sandbox._cut(make_mocked_request("GET", "/search", writer=writer, transport=transport), b"{}")
    writer.write_headers.assert_awaited_once()
    transport.close.assert_called_once_with()
