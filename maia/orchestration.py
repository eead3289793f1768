"""Prefect where a server answers, plain calls otherwise.

`flow` and `task` decorate async functions. A call of a decorated function is the plain call, and Prefect is not even
imported, unless `activate` found a server; then the call is reported there as a run. Prefect only watches: the body
runs exactly once beside it (see `maia.prefect.engine`).

A task is a stage over a whole batch, never one API call: each costs Prefect 6 to 9 ms.
"""

import functools
import http.client
import importlib
import inspect
import logging
import threading
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from pydantic import SecretStr

from atlas.config.prefect_environment import configure_prefect
from atlas.containers import network_advice_for_url
from atlas.redaction import scrub
from maia.prefect.callable import AsyncFunction, Body, inside_run
from maia.runtime.recording import timed
from maia.runtime.run_context import run_scope

P = ParamSpec("P")
R = TypeVar("R")
if TYPE_CHECKING:
    RunLogger = logging.Logger | logging.LoggerAdapter[logging.Logger]
else:
    RunLogger = logging.Logger | logging.LoggerAdapter

logger = logging.getLogger(__name__)

PROBE_SECONDS: Final = 2.0
"""Seconds that a server may take to answer before a run goes on without it."""


_answers: Callable[[], bool] | None = None
"""Asks the Prefect server whether it still answers; None: flows are plain calls."""


def activate(api_url: str | None, api_key: SecretStr | None = None) -> bool:
    """Decide, once at the start of a process, whether flows are reported to the Prefect server `api_url`.

    Return True if it is set and answers; Prefect is then imported (some 3 s). Otherwise log a warning if it is set.
    Never raise. Set up logging before: Prefect then leaves the root logger alone.
    """
    global _answers  # noqa: PLW0603 - one engine per process
    _answers = None
    if api_url is None:
        return False
    answers = functools.partial(engine_available, api_url, api_key)
    if not answers():
        logger.warning(
            "the Prefect server %s does not answer: this run goes on without it. Check PREFECT_API_URL, or leave it "
            "empty if there is none.%s",
            scrub(api_url),
            network_advice_for_url(api_url),
        )
        return False
    try:
        configure_prefect(api_url, api_key)
        _import_engine()
    except Exception as exc:  # noqa: BLE001 - a broken engine costs its reports, not the work
        logger.warning("Prefect cannot be used: this run goes on without it (%s)", scrub(str(exc)))
        return False
    _answers = answers
    return True


def _import_engine() -> None:
    """Import Prefect in a thread, at the bottom of a stack of its own.

    CPython keeps the frames of a stack in chunks of 16 KiB, and a hot loop whose calls cross the end of a chunk maps
    and unmaps memory at each call. Under the frames of the command line and the event loop, Prefect's imports did that
    (500,000 page faults and 3 s of CPU time; 33,000 here).
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    with ThreadPoolExecutor(1, "prefect-import") as thread:
        thread.submit(importlib.import_module, "maia.prefect.engine").result()


def engine_available(api_url: str, api_key: SecretStr | None = None, *, limit: float = PROBE_SECONDS) -> bool:
    """Return whether `GET {api_url}/health` answers 200 within `limit` seconds."""
    if not api_url.startswith(("http://", "https://")):
        return False
    request = urllib.request.Request(f"{api_url.rstrip('/')}/health")  # noqa: S310 - http or https, see above
    if api_key is not None:
        request.add_header("Authorization", f"Bearer {api_key.get_secret_value()}")
    answered = threading.Event()

    def probe() -> None:
        try:
            with urllib.request.urlopen(request, timeout=limit) as response:  # noqa: S310
                if response.status == http.client.OK:
                    answered.set()
        except (OSError, ValueError, http.client.HTTPException):
            logger.debug("no answer from the Prefect server", exc_info=True)

    # In a thread: urllib's time limit is per socket call, and a name lookup has none.
    thread = threading.Thread(target=probe, name="prefect-probe", daemon=True)
    thread.start()
    thread.join(limit)
    return answered.is_set()


def get_run_logger(name: str | None = None) -> RunLogger:
    """Return the logger of the current Prefect run; outside one the logger `name`, by default the calling module's."""
    if inside_run.get():
        import prefect  # noqa: PLC0415
        from prefect.exceptions import MissingContextError  # noqa: PLC0415

        try:
            return prefect.get_run_logger()
        except MissingContextError:  # Prefect ended the run, its body goes on
            logger.debug("no run to log to")
    if name is None:
        frame = inspect.currentframe()
        caller = frame.f_back if frame is not None else None
        name = caller.f_globals.get("__name__", __name__) if caller is not None else __name__
    return logging.getLogger(name)


class Flow(Body[P, R]):
    """An async function that is one run of an agent."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it: watched by Prefect if a server was activated, plain otherwise and within another flow."""
        with run_scope(), timed("maia_cycle_duration_seconds"):
            if _answers is None or inside_run.get():
                return await self.fn(*args, **kwargs)
            from maia.prefect import engine  # noqa: PLC0415

            return await engine.watch_flow(self, _answers, *args, **kwargs)


class Task(Body[P, R]):
    """An async function that is one stage of a flow, over a whole batch."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it: as a task run within a flow that Prefect watches, plain anywhere else."""
        with timed("maia_stage_duration_seconds", stage=self.name):
            if not inside_run.get():
                return await self.fn(*args, **kwargs)
            from maia.prefect import engine  # noqa: PLC0415

            return await engine.watch_task(self, *args, **kwargs)


def flow(*, name: str) -> Callable[[AsyncFunction[P, R]], Flow[P, R]]:
    """Decorate an async function as a flow."""
    return lambda fn: Flow(fn, name)


def task(*, name: str) -> Callable[[AsyncFunction[P, R]], Task[P, R]]:
    """Decorate an async function as a task."""
    return lambda fn: Task(fn, name)
