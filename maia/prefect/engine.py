"""The Prefect side of `maia.orchestration`, imported only where a server answers.

Prefect watches. It runs a stand-in, which waits until the body has ended, and raises what the body raised. The body
itself runs in a task beside it, in the context of the run, so that no failure of Prefect (a lost server, a report that
never ends, a handler that throws) can stop it, start it twice, or lose its result:

- Prefect fails before it starts the run, or takes too long: the body runs plain.
- Prefect fails while the body runs: the body does not notice.
- Prefect fails after the body has ended, or takes too long: a warning, and the result is returned.

A flow run ends in a state whose message says how the run ended and what it stored, and with an artifact that has its
figures and the way to its workflow run. Prefect logs the page of each flow run. Under a Prefect worker, where
Prefect itself calls the flow, `maia.deployments` does the same.
"""

import asyncio
import contextvars
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final, Generic, ParamSpec, TypeVar

import prefect
from prefect.artifacts import acreate_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext, TagsContext
from prefect.events.worker import EventsWorker
from prefect.exceptions import TerminationSignal
from prefect.logging.handlers import APILogWorker
from prefect.states import Completed, Crashed, Failed
from prefect.utilities.urls import url_for

from maia.prefect.artifact import artifact_key, artifact_text
from maia.prefect.callable import Body, inside_run
from maia.prefect.run_view import RunView, current_view, state_message
from maia.runtime.exitcodes import Outcome
from maia.runtime.exits import leaf_exceptions
from maia.runtime.result_file import describe
from maia.runtime.run_context import current_shutdown, run_scope
from maia.runtime.run_end import run_end
from maia.runtime.shutdown import CLEANUP_SECONDS, Shutdown, install_signal_handlers

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)

BEGIN_SECONDS: Final = 10.0
"""How long Prefect may take to begin a run before its body runs without it."""

ARTIFACT_SECONDS: Final = 3.0
"""How long Prefect may take to store the artifact of a run."""

REPORT_SECONDS: Final = 10.0
"""How long Prefect may take to report the end of a run, its logs and the states of its tasks."""


# A line for every request, and a warning at every flush that there is something to flush, would bury our own lines.
for _name, _level in {"httpx": logging.WARNING, "EventsWorker": logging.ERROR, "APILogWorker": logging.ERROR}.items():
    logging.getLogger(_name).setLevel(_level)


class _Engine:
    lost: bool = False
    """Whether the server stopped answering."""
    reports: Final[set[asyncio.Task[BaseException | None]]] = set()  # kept: asyncio holds tasks only weakly


class RunFailed(Exception):
    """The error that Prefect sees in place of one that a body raised: what happened, on one line."""


@dataclass(frozen=True)
class Artifact:
    """What a server shows of a run's figures."""

    key: str
    description: str
    markdown: str


async def publish(artifact: Artifact) -> None:
    """Store an artifact of the current flow run, except after a signal. A failure costs the artifact only."""
    if current_shutdown().cancelled:
        return
    try:
        async with asyncio.timeout(ARTIFACT_SECONDS):
            await acreate_markdown_artifact(
                key=artifact.key, description=artifact.description, markdown=artifact.markdown
            )
    except Exception as error:  # noqa: BLE001 - a client may raise anything
        logger.debug("no artifact of %s: %s", artifact.description, describe(error))


def flow_run_url() -> str | None:
    """Return the page of the current flow run; None where none is known."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None
    return url_for("flow-run", obj_id=context.flow_run.id)


class _StandIn:
    """What Prefect runs in place of a body: it waits until the body has ended, and ends in the same way."""

    def __init__(self) -> None:
        self.started: asyncio.Future[Context] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._state: prefect.State[Any] | None = None
        self._figures: Artifact | None = None
        self._failure: BaseException | None = None

    async def run(self) -> "prefect.State[Any] | None":
        if not self.started.done():
            self.started.set_result(contextvars.copy_context())
        await self._ended.wait()
        if self._figures is not None:
            await publish(self._figures)
        if self._failure is not None:
            raise self._failure
        return self._state

    def end(
        self,
        failure: BaseException | None,
        state: "prefect.State[Any] | None" = None,
        figures: Artifact | None = None,
    ) -> None:
        """End in `state`, or as the body did, with an artifact; Prefect sees no secret."""
        self._state, self._figures = state, figures
        if state is None:
            match failure:
                case SystemExit(code=code):
                    self._failure = SystemExit(code)
                case Exception():
                    self._failure = RunFailed(describe(failure)).with_traceback(failure.__traceback__)
                case _:
                    self._failure = failure
        self._ended.set()

    def caused(self, error: BaseException | None) -> bool:
        """Return whether `error`, which Prefect raised, is nothing but the end of the body."""
        if error is None or self._failure is None:
            return error is self._failure
        return self._failure in leaf_exceptions(error)


CallPrefect = Callable[[_StandIn], Awaitable[None]]


@dataclass(frozen=True)
class _Ended(Generic[R]):
    """The result of a body, as a value: asyncio would throw a SystemExit that leaves a task out of the event loop."""

    value: R | None = None
    failure: BaseException | None = None

    def result(self) -> R:
        if self.failure is not None:
            raise self.failure
        return self.value  # type: ignore[return-value]  # None only where R allows it


async def watch_flow(flow: Body[P, R], answers: Callable[[], bool], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `flow` once, watched by Prefect as far as it can; `answers` returns whether a lost server is back."""
    if _Engine.lost and not await asyncio.to_thread(answers):
        return await flow.fn(*args, **kwargs)
    _Engine.lost = False
    view = current_view.get()

    async def body() -> R:
        with run_scope() as context:
            if context.shutdown.handles_signals:
                install_signal_handlers(context.shutdown)  # Prefect replaced them when the run started
            # A signal that came while Prefect got ready: nothing has been claimed yet.
            context.shutdown.raise_if_requested()
            return await flow.fn(*args, **kwargs)

    async def call_prefect(stand_in: _StandIn) -> None:
        @functools.wraps(flow.fn)  # with its signature: Prefect shows the parameters
        async def run(*_args: Any, **_kwargs: Any) -> Any:
            return await stand_in.run()

        name = view.name if view is not None else flow.name
        # a callable: braces in a plain name would be filled in
        shown = prefect.Flow(run, name=flow.name, flow_run_name=lambda: name, retries=0, persist_result=False)
        with prefect.tags(*(view.tags if view is not None else ())):
            await shown(*args, **kwargs, return_state=True)

    with run_scope() as context:
        before = dict(context.stats)

        def state_of(ended: _Ended[R]) -> "tuple[prefect.State[Any], Artifact]":
            result = ended.value if ended.failure is None else ended.failure
            stats = _since(context.stats, before)
            state = final_state(result, context.shutdown, stats)
            return state, artifact_of(result, context.shutdown, stats, view, flow.name)

        return await _watch(f"flow {flow.name}", call_prefect, body, state_of=state_of)


async def watch_task(task: Body[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `task` once within the current flow run, watched by Prefect as far as it can."""
    if _Engine.lost:
        return await task.fn(*args, **kwargs)

    async def body() -> R:
        return await task.fn(*args, **kwargs)

    async def call_prefect(stand_in: _StandIn) -> None:
        # Without its parameters: Prefect would search a whole batch of rows for states and futures.
        async def run() -> None:
            await stand_in.run()

        functools.update_wrapper(run, task.fn)
        del run.__wrapped__  # type: ignore[attr-defined]  # else Prefect takes the signature from there
        # Without the tags of the flow run: for a task with tags, Prefect first asks its server whether a limit of one
        # holds the task back, and a busy server that refuses to answer would end the watching.
        with TagsContext(current_tags=set()):
            await prefect.Task(run, name=task.name, retries=0, persist_result=False, cache_policy=NO_CACHE)()

    return await _watch(f"task {task.name}", call_prefect, body)


def final_state(result: Any, shutdown: Shutdown, stats: Mapping[str, Any]) -> "prefect.State[Any]":
    """Return the state in which Prefect shows the end of a run that returned stats or raised.

    `stats`: what it did, until it raised or returned.
    """
    returned = result if isinstance(result, Mapping) else {}
    end = run_end(result if isinstance(result, BaseException) else returned, shutdown)
    message = state_message(end.outcome, end.error or returned.get("reason"), {**returned, **stats})
    match end.outcome:
        case Outcome.OK | Outcome.IDLE | Outcome.QUOTA_EXHAUSTED:
            return Completed(message=message, data=returned)
        case Outcome.CHURN | Outcome.CANCELLED:
            return Crashed(message=message)
        case _:
            return Failed(message=message)


def artifact_of(
    result: Any, shutdown: Shutdown, stats: Mapping[str, Any], view: RunView | None, flow_name: str
) -> Artifact:
    """Return the artifact of a run that returned stats or raised; ``view``: None for a flow that is called alone."""
    returned = result if isinstance(result, Mapping) else {}
    end = run_end(result if isinstance(result, BaseException) else returned, shutdown)
    name, agent = (view.name, view.agent) if view is not None else (flow_name, flow_name)
    return Artifact(artifact_key(agent), name, artifact_text(name, end, {**returned, **stats}, view))


def _since(stats: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was added to the counts of a run."""
    return {name: value - before.get(name, 0) for name, value in stats.items() if type(value) is int}


async def _watch(
    what: str,
    call_prefect: CallPrefect,
    body: Callable[[], Coroutine[Any, Any, R]],
    *,
    state_of: Callable[[_Ended[R]], "tuple[prefect.State[Any], Artifact]"] | None = None,
) -> R:
    """Run the body beside Prefect's run of its stand-in. `state_of`: of a flow, its state and artifact."""
    loop = asyncio.get_running_loop()
    stand_in = _StandIn()
    report = loop.create_task(_report(call_prefect, stand_in))
    _Engine.reports.add(report)
    report.add_done_callback(_Engine.reports.discard)

    run_context = await _start(what, stand_in, report)
    work = loop.create_task(_contain(body), context=run_context)
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            work.cancel()  # the body handles the cancellation as if it were awaited here
    ended = work.result()
    stand_in.end(ended.failure, *(state_of(ended) if state_of is not None else ()))
    if run_context is not None:
        await _finish(what, stand_in, report, drain=state_of is not None)
    return ended.result()


async def _report(call_prefect: CallPrefect, stand_in: _StandIn) -> BaseException | None:
    try:
        await call_prefect(stand_in)
    except BaseException as exc:  # noqa: BLE001 - of Prefect, or of the body by way of the stand-in
        return exc
    return None


async def _contain(body: Callable[[], Coroutine[Any, Any, R]]) -> _Ended[R]:
    try:
        return _Ended(await body())
    except TerminationSignal as exc:  # of a handler of Prefect's own
        current_shutdown().cancel(exc.signal)
        return _Ended(failure=exc)
    except BaseException as exc:  # noqa: BLE001 - handed on to the caller and to Prefect
        return _Ended(failure=exc)


async def _start(what: str, stand_in: _StandIn, report: asyncio.Task[BaseException | None]) -> Context | None:
    """Return the context of the run that Prefect started; None if it could not, and the body has to run plain."""
    try:
        waited: set[asyncio.Future[Any]] = {stand_in.started, report}
        await asyncio.wait(waited, timeout=BEGIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        report.cancel()
        raise
    if stand_in.started.done():
        context = stand_in.started.result()
        context.run(inside_run.set, True)
        return context
    cause = report.result() if report.done() else TimeoutError(f"no answer within {BEGIN_SECONDS:.0f} s")
    report.cancel()
    _lose(f"Prefect could not begin the run of {what}", cause)
    return None


async def _finish(what: str, stand_in: _StandIn, report: asyncio.Task[BaseException | None], *, drain: bool) -> None:
    """Wait for Prefect to report the end, never longer than its limit; raise nothing of its own."""
    # After a signal the whole process has only seconds left.
    limit = CLEANUP_SECONDS if current_shutdown().cancelled else REPORT_SECONDS
    deadline = time.monotonic() + limit
    late = TimeoutError(f"not done within {limit:.0f} s")
    await asyncio.wait({report}, timeout=limit)
    if not report.done():
        report.cancel()
        _lose(f"Prefect did not report the end of {what}", late)
    elif not stand_in.caused(report.result()):
        _lose(f"Prefect did not report the end of {what}", report.result())
    elif drain and time.monotonic() < deadline and not await asyncio.to_thread(_drain, deadline):
        _lose(f"Prefect did not report all of {what}", late)


def _drain(deadline: float) -> bool:
    """Send what is queued in Prefect's threads before the process ends; return whether all was sent."""
    for worker in (EventsWorker, APILogWorker):
        waited = worker.drain_all(timeout=max(0.0, deadline - time.monotonic()))
        if isinstance(waited, tuple) and waited[1]:
            return False
    return True


def _lose(what: str, cause: BaseException | None) -> None:
    if current_shutdown().cancelled:
        return  # the process ends: nothing will try again, and the reason is known
    _Engine.lost = True
    logger.warning("%s: the work goes on without it (%s)", what, describe(cause) if cause else "it ended early")
