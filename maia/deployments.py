"""The body of a deployed flow: a run of an agent like one of the command line, in a flow run that a worker started.

The row in ``runs``, the notifications and the handling of signals are those of the command line. There is no result
file, and a worker returns no exit code: the state of the flow run and its message say how the run ended.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import prefect
import prefect.runtime.flow_run
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext

from atlas.errors import ConfigError
from maia import janitor
from maia.agents.session import Shard
from maia.cycles import AgentOptions, check, work
from maia.janitor import JanitorOptions
from maia.orchestration import get_run_logger
from maia.prefect.callable import inside_run
from maia.prefect.engine import artifact_of, final_state, flow_run_url, publish
from maia.prefect.run_view import RunView
from maia.run import run_checked
from maia.runtime.result_file import describe
from maia.runtime.run_context import run_scope
from maia.runtime.shutdown import handle_signals

TAG_SECONDS: Final = 10.0
"""Seconds that the server may take to tag a flow run; the work waits no longer."""


async def run_agent(
    name: str, batch_size: int | None, cycles: int, max_minutes: float | None, shard: str
) -> "prefect.State[Mapping[str, Any]]":
    """Run the Hunter or the Tracker; return the state of the flow run."""
    if max_minutes is not None and cycles != 1:
        raise ValueError("give cycles or max_minutes, not both")
    options = AgentOptions(Shard.parse(shard), batch_size, cycles, max_minutes)
    return await _run(name, shard, lambda run_id: work(name, options, run_id=run_id), lambda: check(name))


async def run_janitor(
    batch_size: int | None, max_minutes: float | None, *, dry_run: bool, yes: bool
) -> "prefect.State[Mapping[str, Any]]":
    """Run the Janitor; return the state of the flow run."""
    options = JanitorOptions(Shard(), batch_size, max_minutes, dry_run=dry_run, yes=yes)
    return await _run(
        "janitor",
        str(options.shard),
        lambda run_id: janitor.work(options, run_id=run_id),
        lambda: janitor.check(options),
    )


async def _run(
    name: str, shard: str, work: Callable[[str], Awaitable[Mapping[str, Any]]], check: Callable[[], Awaitable[None]]
) -> "prefect.State[Mapping[str, Any]]":
    ending: Mapping[str, Any] | BaseException
    token = inside_run.set(True)
    try:
        with run_scope() as context, handle_signals(context.shutdown):
            await _tag(name, shard)
            context.url = flow_run_url()
            try:
                ending = await run_checked(name, shard, lambda: work(prefect.runtime.flow_run.id), check)
            except (Exception, SystemExit, KeyboardInterrupt, BaseExceptionGroup) as error:  # noqa: BLE001 - shown by the state
                ending = error
            await publish(artifact_of(ending, context.shutdown, context.stats, _view(name, shard), name))
            return final_state(ending, context.shutdown, context.stats)
    finally:
        inside_run.reset(token)


def run_name() -> str:
    """Return the name of the current flow run."""
    parameters = prefect.runtime.flow_run.parameters
    return _view(prefect.runtime.flow_run.flow_name, parameters.get("shard", str(Shard()))).name


def _view(name: str, shard: str) -> RunView:
    try:
        return RunView.of(name, shard)
    except ConfigError:  # the run itself reports it
        return RunView(name, shard)


async def _tag(name: str, shard: str) -> None:
    """Add the tags of the run to those of its deployment; a failure of the server is a warning."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    known = context.flow_run.tags
    try:
        async with asyncio.timeout(TAG_SECONDS), get_client() as client:
            tags = [*known, *(tag for tag in _view(name, shard).tags if tag not in known)]
            await client.update_flow_run(context.flow_run.id, tags=tags)
    except Exception as error:  # noqa: BLE001 - a client may raise anything
        get_run_logger().warning("the flow run cannot be tagged: %s", describe(error))
