"""The plain path: decorated functions are the functions, and Prefect stays out of the process."""

import contextlib
import inspect
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pydantic import SecretStr

from maia import orchestration
from maia.orchestration import Flow, Task, activate, engine_available, flow, get_run_logger, task
from maia.runtime.run_context import current_shutdown


@task(name="double_all")
async def double_all(items: list[int]) -> list[int]:
    """Doubles them."""
    return [2 * item for item in items]


@flow(name="doubling")
async def doubling(n: int = 2) -> dict[str, int]:
    current_shutdown().churn("seen by the whole flow")
    return {"sum": sum(await double_all(list(range(n)))), "requested": current_shutdown().requested}


async def test_without_a_server_a_flow_and_a_task_are_the_plain_functions():
    assert await doubling(3) == {"sum": 6, "requested": True}
    assert not current_shutdown().requested, "each run has a shutdown of its own"
    assert await doubling.fn(1) == {"sum": 0, "requested": False}  # no run, no shared shutdown
    assert await double_all([1, 2]) == await double_all.fn([1, 2]) == [2, 4]
    assert isinstance(doubling, Flow)
    assert isinstance(double_all, Task)
    assert (doubling.name, double_all.name, double_all.__name__) == ("doubling", "double_all", "double_all")
    assert double_all.__doc__ == "Doubles them."
    assert list(inspect.signature(doubling).parameters) == ["n"]


def test_outside_a_run_the_logger_is_the_modules():
    assert get_run_logger() is logging.getLogger(__name__)
    assert get_run_logger("maia.hunter") is logging.getLogger("maia.hunter")


@pytest.fixture
def serve() -> Iterator[Callable[[int], tuple[str, list[tuple[str, str | None]]]]]:
    """A server that answers every GET with one status; gives its URL and the list of (path, authorization) asked."""
    with contextlib.ExitStack() as stack:

        def start(status: int) -> tuple[str, list[tuple[str, str | None]]]:
            asked: list[tuple[str, str | None]] = []

            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    asked.append((self.path, self.headers["Authorization"]))
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

                def log_message(self, *args: object) -> None:
                    pass

            server = stack.enter_context(HTTPServer(("127.0.0.1", 0), Handler))
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}/api", asked

        yield start


def test_a_server_that_is_well_is_available(serve):
    url, asked = serve(200)
    assert engine_available(f"{url}/", SecretStr("the-key"))
    assert asked == [("/api/health", "Bearer the-key")]
    url, _ = serve(503)
    assert not engine_available(url)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "nonsense", "http://127.0.0.1:99999/api"])
def test_no_url_of_a_server_is_no_server(url: str):
    assert not engine_available(url)


def test_a_silent_server_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        before = time.monotonic()
        assert not engine_available(f"http://127.0.0.1:{silent.getsockname()[1]}", limit=0.2)
        assert time.monotonic() - before < 2


@pytest.fixture
def no_server() -> Iterator[None]:
    yield
    activate(None)


def test_a_server_out_of_reach_is_a_warning_without_its_password(caplog, no_server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert activate(f"http://user:hidden@127.0.0.1:{taken.getsockname()[1]}/api") is False
    assert "this run goes on without it" in caplog.text
    assert "hidden" not in caplog.text


def test_a_prefect_that_does_not_work_is_a_warning(caplog, monkeypatch, serve, no_server):
    def broken(*_: object) -> None:
        raise RuntimeError("broken settings")

    monkeypatch.setattr(orchestration, "configure_prefect", broken)
    url, _ = serve(200)
    assert activate(url) is False
    assert "Prefect cannot be used" in caplog.text
