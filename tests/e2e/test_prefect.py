"""A docker work pool: a real Prefect server, the docker worker, and containers of the image."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.child_processes import child, finished
from ..support.documents import CHECKOUT, document, sections
from ..support.event_loop import Background
from ..support.prefect_server import PrefectServer, prefect_server
from ..support.secrets_plugin import beside, shown
from .conftest import Query

__all__ = ["prefect_server"]  # a fixture

pytestmark = pytest.mark.e2e


@pytest.fixture
def here(tmp_path: Path, image: str) -> Iterator[Path]:
    """A checkout's files that a deployment needs, with the image that was built."""
    (tmp_path / "container").symlink_to(CHECKOUT / "container")
    text = (CHECKOUT / "prefect.yaml").read_text()
    assert text.count("image: ghcr.io/pleiades/maia:v1") == 2
    (tmp_path / "prefect.yaml").write_text(text.replace("ghcr.io/pleiades/maia:v1", image))
    yield tmp_path


def blocks() -> list[str]:
    """The shell blocks of the page's section about containers."""
    (section,) = [each for each in sections(document("docs/prefect.md")) if each.heading == "Containers"]
    return ["\n".join(block.lines) for block in section.blocks]


@pytest.mark.usefixtures("seeded")
def test_a_docker_worker_runs_a_container_as_the_page_says(
    here: Path,
    image: str,
    environment: dict[str, str],
    prefect_server: PrefectServer,
    query: Query,
    background: Background,
) -> None:
    prepare, worker, run = blocks()
    (here / ".env").write_text("".join(f"{name}='{text}'\n" for name, text in environment.items()))
    # the sandbox's address is no secret: it stands where any other setting would
    setting = f"env: {{ YOUTUBE_API_BASE_URL: '{environment['YOUTUBE_API_BASE_URL']}' }}"
    first, rest = (here / "prefect.yaml").read_text().split(f"image: {image}", 1)
    (here / "prefect.yaml").write_text(f"{first}image: {image}\n        {setting}{rest}")
    given = prefect_server.environment()

    async def follow() -> None:
        code, out, err = await finished("bash", "-ec", prepare, cwd=here, env=given, timeout=300)
        assert code == 0, (out + err).decode()
        log = here / "worker.log"
        with log.open("ab") as output:
            async with child(
                "bash", "-ec", f"exec {worker}", cwd=here, env=given, stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, start_new_session=True, stop=signal.SIGINT,
            ):  # fmt: skip
                words = run.replace("tracker", "hunter").replace("max_minutes=5", "max_minutes=null --param shard=1/2")
                code, out, err = await finished("bash", "-ec", words, cwd=here, env=given, timeout=300)
                beside("with a container of a worker")
        assert code == 0, (out + err).decode() + log.read_text()
        shown("what worker and client wrote", out, err, log.read_bytes())

    background.run(follow(), 700)
    (row,) = query("SELECT agent, shard, outcome, run_id FROM runs")
    assert (row["agent"], row["shard"], row["outcome"]) == ("hunter", "1/2", "ok")
    flow_run = prefect_server.get(f"/flow_runs/{row['run_id']}")
    assert flow_run["name"] == "hunter 1/2"
    assert flow_run["state"]["message"].startswith("Ok; ")
    for each in prefect_server.ask("/deployments/filter"):
        assert environment["DATABASE_URL"] not in str(each["job_variables"])
