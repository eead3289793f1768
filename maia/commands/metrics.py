"""`maia metrics`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas.commands.output_file import output_file
from atlas.docs_pages import page
from atlas.help import verbatim
from maia.commands.running import run

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

EPILOG = verbatim(f"What each metric means, a dashboard and alert rules:\n  {page('metrics.md')}")
SETTING = "-"
"""Stands for METRICS_PUSH_URL as the value of --push."""


def metrics(
    textfile: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write this file in one step instead, for node_exporter's textfile collector (*.prom)."
        ),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Send them to this Pushgateway instead; - takes METRICS_PUSH_URL, a secret."),
    ] = None,
) -> None:
    """Print what the database knows as metrics, in the OpenMetrics format.

    Backlog and lateness of each zone, quota, runs by outcome, breakouts, the newest snapshot, the archive's backlog.
    Give it the settings of the agents: without keys there is no quota left, without VAULT_PROVIDER no archive.

    \b
      maia metrics
      maia metrics --textfile /var/lib/prometheus/node-exporter/maia.prom
      maia metrics --push http://127.0.0.1:9091
    """
    if textfile is not None and push is not None:
        raise typer.BadParameter("give --textfile or --push, not both")

    async def work() -> None:
        url = _address(push) if push is not None else None
        registry = await _read()
        if url is not None:
            from maia.metrics import pushing  # noqa: PLC0415  with prometheus-client

            pushing.push(registry, url, group={}, seconds=pushing.PUSH_SECONDS)
        elif textfile is not None:
            _write(registry, textfile)
        else:
            from prometheus_client.openmetrics.exposition import generate_latest  # noqa: PLC0415

            text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
            sys.stdout.write(text.decode())

    run(work)


async def _read() -> CollectorRegistry:
    from atlas import vault  # noqa: PLC0415  the other commands do not pay for these
    from atlas.adapters.metrics import MetricsDAO  # noqa: PLC0415
    from atlas.database import database  # noqa: PLC0415
    from maia.metrics.stored import registry_of  # noqa: PLC0415

    async with database.session():
        return registry_of(await MetricsDAO().figures(archive=vault.enabled))


def _address(given: str) -> str:
    """Return the address to push to; no message shows its password. Raises ConfigError."""
    from atlas.config import settings  # noqa: PLC0415
    from atlas.errors import ConfigError  # noqa: PLC0415

    if given != SETTING:
        with settings.override(metrics_push_url=given):
            url = settings.metrics_push_url
    else:
        url = settings.metrics_push_url
    if url is None:
        raise ConfigError("METRICS_PUSH_URL is not set: set it to the Pushgateway's address, or write --push URL.")
    return url.get_secret_value()


def _write(registry: CollectorRegistry, file: Path) -> None:
    from prometheus_client import generate_latest  # noqa: PLC0415

    from atlas.errors import AtlasError  # noqa: PLC0415

    try:
        with output_file(file) as opened:
            opened.write(generate_latest(registry))
    except OSError as error:
        raise AtlasError(f"{file} cannot be written: {error.strerror}.") from None
