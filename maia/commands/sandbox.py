"""`maia sandbox`: the command."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas.errors import ConfigError
from atlas.help import verbatim
from youtube_sandbox.config import SandboxConfig
from youtube_sandbox.faults import GRAMMAR, Fault
from youtube_sandbox.ids import own_project

if TYPE_CHECKING:
    from youtube_sandbox.serving import RunningSandbox

EPILOG = verbatim(GRAMMAR)
"""The end of the command's help: the grammar of --fault."""


def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any free one.")] = 8080,
    seed: Annotated[int, typer.Option(help="The same seed gives the same world at the same schedule time.")] = 1,
    videos: Annotated[
        int, typer.Option(min=1, help="Videos published in a week of schedule time, on average.")
    ] = 7_000,
    channels: Annotated[int, typer.Option(min=1, help="Number of channels.")] = 400,
    history_days: Annotated[float, typer.Option(min=0, help="Days that a search without a window looks back.")] = 14.0,
    dataset: Annotated[
        Path | None,
        typer.Option(help="Replay this CSV of daily view counts instead of a seeded world.", metavar="PATH"),
    ] = None,
    dataset_year: Annotated[
        int | None, typer.Option(help="Year of the first row of a data set whose dates have no year.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="Accept this invented key, of this project; repeatable. Without --key any key is accepted.",
            metavar="KEY[=PROJECT]",
        ),
    ] = None,
    quota_search: Annotated[int, typer.Option(min=0, help="Calls of search.list a day and project.")] = 100,
    quota_units: Annotated[int, typer.Option(min=0, help="Units a day and project.")] = 10_000,
    quota_batch: Annotated[int, typer.Option(min=0, help="Calls of videos.batchGetStats a day and project.")] = 10_000,
    listing_lag: Annotated[
        float,
        typer.Option(min=0, help="Schedule seconds before a search finds a new video.", metavar="SECONDS"),
    ] = 0.0,
    latency: Annotated[float, typer.Option(min=0, help="Seconds before each answer.", metavar="SECONDS")] = 0.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="Fault to cause, such as rate-limit:search; repeatable, the first that matches a call is used.",
            metavar="SPEC",
        ),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="Append every call to this file as a line of JSON (never a key).", metavar="PATH"),
    ] = None,
    clock: Annotated[
        str | None,
        typer.Option(help="The schedule clock, written as in ATLAS_CLOCK; default: ATLAS_CLOCK.", metavar="SPEC"),
    ] = None,
) -> None:
    """Run a local YouTube Data API, without a real key, network or quota.

    It prints its base URL as the first line; give that to the agents as YOUTUBE_API_BASE_URL. On the
    schedule clock, channels publish, and videos grow, stagnate, break out, lose views and disappear. One or two in a
    hundred break out in 14 days; others only look like it for an hour or two. Quota, page tokens and errors are like
    YouTube's.

    While it runs: GET /_sandbox/state, GET and POST /_sandbox/faults (a JSON list of specifications).

    \b
    Try it:
      maia sandbox --port 8080 --key demo-1 --key demo-2=shared --key demo-3=shared
      curl 'http://127.0.0.1:8080/youtube/v3/search?part=snippet&type=video&q=python&key=demo-1'
      maia sandbox --fault rate-limit:search:after=10:times=3 --fault cut:videos:p=0.05
    """
    for spec in fault or ():
        try:
            Fault.parse(spec)
        except ConfigError as error:
            raise typer.BadParameter(str(error), param_hint="--fault") from None
    config = SandboxConfig(
        host=host,
        port=port,
        seed=seed,
        channels=channels,
        videos=videos,
        history_days=history_days,
        dataset=dataset,
        dataset_year=dataset_year,
        keys=_keys(key or ()),
        quota_search=quota_search,
        quota_units=quota_units,
        quota_batch=quota_batch,
        listing_lag=listing_lag,
        latency=latency,
        faults=tuple(fault or ()),
        log=log,
        clock=clock if clock is not None else _configured_clock(),
    )
    asyncio.run(_serve(config))


def _keys(given: list[str] | tuple[str, ...]) -> dict[str, str]:
    """Return key → project; a key without one is a project of its own."""
    keys: dict[str, str] = {}
    for text in given:
        name, _, project = text.partition("=")
        if not name:
            raise typer.BadParameter("a key is empty; write KEY or KEY=PROJECT", param_hint="--key")
        keys[name] = project or own_project(name)
    return keys


def _configured_clock() -> str:
    from atlas.config import settings  # noqa: PLC0415  the settings are read only where the default is used

    return settings.atlas_clock


async def _serve(config: SandboxConfig) -> None:
    from youtube_sandbox.serving import serve  # noqa: PLC0415  `maia --help` need not wait for aiohttp

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # a script's background job ignores SIGINT
            loop.add_signal_handler(number, stop.set)
    try:
        await serve(config, stop=stop, ready=_announce)
    except OSError as error:
        raise ConfigError(
            f"the sandbox cannot listen on {config.host}:{config.port}, or cannot write its log: {error.strerror}. "
            "Take another --port (0 is any free one), or another --log."
        ) from None


def _announce(running: RunningSandbox) -> None:
    typer.echo(running.base_url)  # first, alone on its line: scripts read it
    typer.echo(f"state and faults under {running.admin_url} - Ctrl-C stops it", err=True)
