"""Measure a run: serve its metrics while it lasts, and push them at its end. No failure here ends or fails a run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from atlas.config import settings
from atlas.errors import AtlasError
from atlas.redaction import one_line
from maia.runtime.recording import recording_to
from maia.runtime.run_context import current_shutdown
from maia.runtime.run_end import run_end

if TYPE_CHECKING:
    from pydantic import SecretStr

    from maia.metrics.process import ProcessMetrics

logger = logging.getLogger(__name__)

PUSH_SECONDS: Final = 5.0
"""Seconds that the push at the end of a run may take."""


async def measured(agent: str, work: Callable[[], Awaitable[Mapping[str, Any]]], port: int | None) -> Mapping[str, Any]:
    """Do the work of a run; measure it if ``port`` is given or METRICS_PUSH_URL is set.

    prometheus-client is imported only then.
    """
    url: SecretStr | None = None
    with contextlib.suppress(AtlasError):  # the run itself reports a wrong setting
        url = settings.metrics_push_url
    if port is None and url is None:
        return await work()
    from maia.metrics.process import ProcessMetrics  # noqa: PLC0415  see above

    metrics = ProcessMetrics(agent)
    with _served(metrics, port):
        try:
            with recording_to(metrics):
                result = await work()
        except BaseException as error:
            await _end(metrics, agent, error, url)
            raise
        await _end(metrics, agent, result, url)
        return result


@contextlib.contextmanager
def _served(metrics: ProcessMetrics, port: int | None) -> Iterator[None]:
    if port is None:
        yield
        return
    from maia.metrics.server import MetricsServer  # noqa: PLC0415  with prometheus-client

    address = "127.0.0.1"
    try:
        address = settings.metrics_address
        server = MetricsServer(address, port, metrics.registry)
    except (OSError, AtlasError) as error:
        # runs that overlap are normal, and collecting is worth more than measuring
        logger.warning("no metrics are served on %s, port %d: %s", address, port, one_line(error))
        yield
        return
    logger.info("metrics are served on http://%s/metrics", server.place)
    try:
        yield
    finally:
        server.close()


async def _end(
    metrics: ProcessMetrics, agent: str, result: Mapping[str, Any] | BaseException, url: SecretStr | None
) -> None:
    """Count how the run ended, and push."""
    shutdown = current_shutdown()
    metrics.count("maia_runs_total", {"outcome": str(run_end(result, shutdown).outcome)})
    seconds = shutdown.within_grace(PUSH_SECONDS)
    if url is None or seconds <= 0:
        return
    from maia.metrics.pushing import push  # noqa: PLC0415  with prometheus-client

    try:
        await asyncio.to_thread(push, metrics.registry, url.get_secret_value(), group={"agent": agent}, seconds=seconds)
    except Exception as error:  # noqa: BLE001  see above
        logger.warning("the metrics of this run are not pushed: %s", one_line(error))
