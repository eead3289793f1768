"""The Prefect side of `maia.orchestration`, imported only where there is a server.

Prefect is an onlooker here. What it runs is a stand-in, which says that the run has begun, waits until the body has
ended, and raises what the body raised. The body itself runs in a task beside it, in the context of the run, so that
nothing that happens to Prefect (a server that is lost, a report that never ends, a handler that throws) can stop it,
start it twice, or take its result away:

- Prefect fails before it begins, or takes too long: the body runs plain.
- Prefect fails while the body runs: the body does not notice.
- Prefect fails after the body has ended, or takes too long: a warning, and the result is given.

A flow ends there in a state whose message says how the run ended and what it stored. Under a Prefect worker, where
Prefect itself calls the flow, `maia.deployments` does the same.
"""

import asyncio
import contextvars
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import Context, ContextVar
from typing import Any, Final, Generic, ParamSpec, TypeVar

import prefect
from prefect.cache_policies import NO_CACHE
from prefect.events.worker import EventsWorker
from prefect.exceptions import TerminationSignal
from prefect.logging.handlers import APILogWorker
from prefect.states import Completed, Crashed, Failed

from maia.prefect.callable import Body, inside_run
from maia.prefect.run_view import current_view, state_message
from maia.runtime.exitcodes import Outcome
from maia.runtime.exits import leaves
from maia.runtime.result_file import describe
from maia.runtime.run_context import current_shutdown, run_scope
from maia.runtime.run_end import run_end
from maia.runtime.shutdown import CLEANUP_SECONDS, Shutdown, install_signal_handlers

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)

BEGIN_SECONDS: Final = 10.0
"""How long Prefect may take to begin a run before its body runs without it."""

REPORT_SECONDS: Final = 10.0
"""How long Prefect may take to report the end of a run, its logs and the states of its tasks."""


# A line for every request, and a warning at every flush that there is something to flush, would bury our own lines.
for _name, _level in {"httpx": logging.WARNING, "EventsWorker": logging.ERROR, "APILogWorker": logging.ERROR}.items():
    logging.getLogger(_name).setLevel(_level)


class _Engine:
    """What this process knows of the server."""

    lost: bool = False
    reports: Final[set[asyncio.Task[BaseException | None]]] = set()  # kept: asyncio holds tasks only weakly


class _Watched:
    """One call of a flow or task, between the stand-in that Prefect runs and the body."""

    def __init__(self) -> None:
        self.began: asyncio.Future[Context] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._state: prefect.State[Any] | None = None
        self._failure: BaseException | None = None

    async def stand_in(self) -> "prefect.State[Any] | None":
        if not self.began.done():
            self.began.set_result(contextvars.copy_context())
        await self._ended.wait()
        if self._failure is not None:
            raise self._failure
        return self._state

    def end(self, failure: BaseException | None, state: "prefect.State[Any] | None" = None) -> None:
        """Let the stand-in end in `state`, or as the body did; what Prefect is shown holds no secret."""
        self._state = state
        if state is None:
            match failure:
                case SystemExit(code=code):
                    self._failure = SystemExit(code)
                case Exception():
                    self._failure = RunFailed(describe(failure)).with_traceback(failure.__traceback__)
                case _:
                    self._failure = failure
        self._ended.set()

    def raised_only(self, exc: BaseException | None) -> bool:
        """Whether `exc`, that came out of Prefect, is nothing but the end of the body."""
        if exc is None or self._failure is None:
            return exc is self._failure
        return self._failure in leaves(exc)


class RunFailed(Exception):
    """What Prefect is shown where a body raised an exception: what happened, on one line."""


class _Ending(Generic[R]):
    """What came of a body: kept as a value, since a SystemExit that leaves a task is thrown out of the event loop."""

    def __init__(self, value: R | None, failure: BaseException | None) -> None:
        self._value = value
        self.failure = failure

    @property
    def raw(self) -> R | BaseException | None:
        return self._value if self.failure is None else self.failure

    def result(self) -> R:
        if self.failure is not None:
            raise self.failure
        return self._value  # type: ignore[return-value]  # None only where R allows it


_watched: ContextVar[_Watched | None] = ContextVar("maia_watched", default=None)


@functools.cache
def _cached_flow(flow: Body[..., Any]) -> "prefect.Flow[..., Coroutine[Any, Any, Any]]":
    @functools.wraps(flow.fn)  # with its signature: Prefect shows the parameters
    async def stand_in(*_args: Any, **_kwargs: Any) -> Any:
        watched = _watched.get()
        assert watched is not None, "a flow is only run by watch_flow"  # noqa: S101
        return await watched.stand_in()

    def run_name() -> str:
        view = current_view.get()
        return view.name if view is not None else flow.name

    return prefect.Flow(stand_in, name=flow.name, flow_run_name=run_name, retries=0, persist_result=False)


@functools.cache
def _cached_task(task: Body[..., Any]) -> "prefect.Task[[], Coroutine[Any, Any, None]]":
    # Without its parameters: Prefect would search a whole batch of rows for states and futures.
    async def stand_in() -> None:
        watched = _watched.get()
        assert watched is not None, "a task is only run by watch_task"  # noqa: S101
        await watched.stand_in()

    functools.update_wrapper(stand_in, task.fn)
    del stand_in.__wrapped__  # type: ignore[attr-defined]  # else Prefect takes the signature from there
    return prefect.Task(stand_in, name=task.name, retries=0, persist_result=False, cache_policy=NO_CACHE)


async def watch_flow(flow: Body[P, R], answers: Callable[[], bool], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `flow` once, watched by Prefect as far as it can; `answers` tells whether a server that was lost is back."""
    if _Engine.lost and not await asyncio.to_thread(answers):
        return await flow.fn(*args, **kwargs)
    _Engine.lost = False

    async def body() -> R:
        with run_scope() as context:
            if context.shutdown.handles_signals:
                install_signal_handlers(context.shutdown)  # Prefect put its own in place when the run began
            # A signal that came while Prefect got ready: nothing has been claimed yet.
            context.shutdown.raise_if_requested()
            return await flow.fn(*args, **kwargs)

    async def call_prefect() -> None:
        view = current_view.get()
        with prefect.tags(*(view.tags if view is not None else ())):
            await _cached_flow(flow)(*args, **kwargs, return_state=True)

    with run_scope() as context:
        before = dict(context.stats)

        def state_of(ending: _Ending[R]) -> "prefect.State[Any]":
            return final_state(ending.raw, context.shutdown, _since(context.stats, before))

        return await _watch(f"flow {flow.name}", call_prefect, body, state_of=state_of)


async def watch_task(task: Body[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `task` once within the current flow run, watched by Prefect as far as it can."""
    if _Engine.lost:
        return await task.fn(*args, **kwargs)

    async def body() -> R:
        return await task.fn(*args, **kwargs)

    return await _watch(f"task {task.name}", _cached_task(task), body)


def final_state(ending: Any, shutdown: Shutdown, stats: Mapping[str, Any]) -> "prefect.State[Any]":
    """Return the state in which Prefect shows the end of a run.

    Args:
        ending: the stats that the run returned, or what it raised.
        shutdown: of the run.
        stats: what it did; of a run that raised, until then.
    """
    returned = ending if isinstance(ending, Mapping) else {}
    outcome, _, error = run_end(ending if isinstance(ending, BaseException) else returned, shutdown)
    message = state_message(outcome, error or returned.get("reason"), {**returned, **stats})
    match outcome:
        case Outcome.OK | Outcome.IDLE | Outcome.QUOTA_EXHAUSTED:
            return Completed(message=message, data=returned)
        case Outcome.CHURN | Outcome.CANCELLED:
            return Crashed(message=message)
        case _:
            return Failed(message=message)


def _since(stats: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was added to the counts of a run."""
    return {name: value - before.get(name, 0) for name, value in stats.items() if type(value) is int}


async def _watch(
    what: str,
    call_prefect: Callable[[], Awaitable[object]],
    body: Callable[[], Coroutine[Any, Any, R]],
    *,
    state_of: Callable[[_Ending[R]], "prefect.State[Any]"] | None = None,
) -> R:
    """Run the body beside Prefect's run of its stand-in. `state_of`: how a flow ends; None: it is a task."""
    loop = asyncio.get_running_loop()
    watched = _Watched()
    context = contextvars.copy_context()
    context.run(_watched.set, watched)
    report = loop.create_task(_report(call_prefect), context=context)
    _Engine.reports.add(report)
    report.add_done_callback(_Engine.reports.discard)

    run_context = await _begin(what, watched, report)
    work = loop.create_task(_contain(body), context=run_context)
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            work.cancel()  # the body decides what it makes of it, as it would if it were awaited here
    ending = work.result()
    watched.end(ending.failure, state_of(ending) if state_of is not None else None)
    if run_context is not None:
        await _finish(what, watched, report, drain=state_of is not None)
    return ending.result()


async def _report(call_prefect: Callable[[], Awaitable[object]]) -> BaseException | None:
    try:
        await call_prefect()
    except BaseException as exc:  # noqa: BLE001 - Prefect's own, or the body's come back
        return exc
    return None


async def _contain(body: Callable[[], Coroutine[Any, Any, R]]) -> _Ending[R]:
    try:
        return _Ending(await body(), None)
    except TerminationSignal as exc:  # of a handler of Prefect's own
        current_shutdown().cancel(exc.signal)
        return _Ending(None, exc)
    except BaseException as exc:  # noqa: BLE001 - handed on to the caller and to Prefect
        return _Ending(None, exc)


async def _begin(what: str, watched: _Watched, report: asyncio.Task[BaseException | None]) -> Context | None:
    """The context of the run that Prefect began; None if it could not, and the body has to run plain."""
    try:
        waited: set[asyncio.Future[Any]] = {watched.began, report}
        await asyncio.wait(waited, timeout=BEGIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        report.cancel()
        raise
    if watched.began.done():
        context = watched.began.result()
        context.run(inside_run.set, True)
        return context
    cause = report.result() if report.done() else TimeoutError(f"no answer within {BEGIN_SECONDS:.0f} s")
    report.cancel()
    _lose(f"Prefect could not begin the run of {what}", cause)
    return None


async def _finish(what: str, watched: _Watched, report: asyncio.Task[BaseException | None], *, drain: bool) -> None:
    """Give Prefect its time to report the end; never more, and never an exception of its own."""
    # After a signal the whole process has only seconds left.
    limit = CLEANUP_SECONDS if current_shutdown().cancelled else REPORT_SECONDS
    deadline = time.monotonic() + limit
    await asyncio.wait({report}, timeout=limit)
    if not report.done():
        report.cancel()
        _lose(f"Prefect did not report the end of {what}", TimeoutError(f"not done within {limit:.0f} s"))
        return
    if not watched.raised_only(report.result()):
        _lose(f"Prefect did not report the end of {what}", report.result())
        return
    left = deadline - time.monotonic()
    if drain and left > 0 and not await asyncio.to_thread(_drain, left):
        _lose(f"Prefect did not report all of {what}", TimeoutError(f"not done within {limit:.0f} s"))


def _drain(limit: float) -> bool:
    """Send what Prefect still holds in its threads, where the end of this process would lose it; True if all went."""
    deadline = time.monotonic() + limit
    for worker in (EventsWorker, APILogWorker):
        waited = worker.drain_all(timeout=max(0.0, deadline - time.monotonic()))
        if isinstance(waited, tuple) and waited[1]:
            return False
    return True


def _lose(what: str, cause: BaseException | None) -> None:
    if current_shutdown().cancelled:
        return  # the process is leaving: nobody is left to try again, and the reason is known
    _Engine.lost = True
    logger.warning("%s: the work goes on without it (%s)", what, describe(cause) if cause else "it ended early")
