"""A foreign repository that names everything by its full commit: the action itself, and the copies of a release."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import maia

from ..support.act import Acted, Repository, copy_checkout, read_values
from ..support.docker_engine import Docker
from ..support.documents import CHECKOUT
from .conftest import Sandbox

pytestmark = pytest.mark.e2e

TAG = f"v{maia.__version__}"
DIGEST = "sha256:" + "0" * 64
"""Of no image: what names it is seen to ask for it."""

OWN = """\
on: {workflow_dispatch: {}}
jobs:
  tubes:
    runs-on: ubuntu-latest
    permissions: {}
    env:
      DATABASE_URL: ${{ secrets.DATABASE_URL }}
      YOUTUBE_API_KEY_POOL_JSON: ${{ secrets.YOUTUBE_API_KEY_POOL_JSON }}
    steps:
      - id: plan
        uses: pleiades/maia@COMMIT # TAG
        with: {command: plan, migrate: "true", queries: lofi, network: host, settings: "${{ vars.MAIA_SETTINGS }}"}
      - uses: pleiades/maia@COMMIT # TAG
        with: {network: host, run: "${{ steps.plan.outputs.run }}", settings: "${{ vars.MAIA_SETTINGS }}"}
"""


@dataclass(frozen=True)
class Release:
    """A release that was made as docs/releasing.md says."""

    folder: Path  # with the files of each commit in a folder of its name, and the workflows to copy in `callers`
    source: str  # the commit of the image
    commit: str  # its own


@pytest.fixture(scope="module")
def release(act: None, tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("release")
    clone = folder / "clone"
    copy_checkout(clone)
    repository = Repository.make(clone, folder / "home", "pleiades/maia")
    repository.git("config", "user.name", "Test")
    repository.git("config", "user.email", "test@example.org")
    repository.git("update-ref", "refs/remotes/origin/main", "HEAD")

    def script(*arguments: str) -> None:
        command = [sys.executable, "-B", ".github/scripts/pin_release.py", *arguments]
        subprocess.run(command, cwd=clone, env=repository.environment(), check=True)

    def commit(name: str) -> str:
        found = subprocess.run(["git", "rev-parse", name], cwd=clone, capture_output=True, text=True, check=True)
        return found.stdout.strip()

    script("commit", TAG, DIGEST, "--owner-id", "1", "--repository-id", "2")
    for name in ("main", f"release/{TAG}"):
        (folder / commit(name)).mkdir()
        repository.git("--work-tree", str(folder / commit(name)), "checkout", "--quiet", commit(name), "--", ".")
    repository.git("checkout", "--quiet", "--force", f"release/{TAG}")
    script("callers", TAG, str(folder / "callers"))
    return Release(folder, commit("main"), commit(f"release/{TAG}"))


@dataclass(frozen=True)
class Foreign:
    """Somebody's repository, with the files of a release and a workflow of their own."""

    repository: Repository
    release: Release

    def act(self, workflow: str, **variables: str) -> Acted:
        values = read_values(self.repository.folder / ".vars") | variables
        self.repository.write(".vars", values)
        known = (
            f"--local-repository pleiades/maia@{commit}={self.release.folder / commit}"
            for commit in (self.release.source, self.release.commit)
        )
        return self.repository.act(
            f"act workflow_dispatch -W .github/workflows/{workflow} -P ubuntu-latest=-self-hosted {' '.join(known)} "
            "--action-offline-mode --no-cache-server --rm"
        )


@pytest.fixture
def foreign(release: Release, empty_dsn: str, sandbox: Sandbox, tmp_path: Path) -> Foreign:
    folder = tmp_path / "tubes"
    shutil.copytree(release.folder / "callers", folder / ".github/workflows")
    own = OWN.replace("COMMIT", release.source).replace("TAG", TAG)
    (folder / ".github/workflows/own.yml").write_text(own)
    (folder / "topics.txt").write_text("lofi\nrust tutorial\n")
    repository = Repository.make(folder, tmp_path / "home", "someone/tubes")
    pool = read_values(CHECKOUT / ".secrets.example")["YOUTUBE_API_KEY_POOL_JSON"]
    repository.write(".secrets", {"DATABASE_URL": empty_dsn, "YOUTUBE_API_KEY_POOL_JSON": pool})
    settings = f"YOUTUBE_API_BASE_URL={sandbox.base_url}\nHUNTER_TAGS_PER_VIDEO=0"
    repository.write(".vars", {"MAIA_SETTINGS": settings, "MAIA_NETWORK": "host", "MAIA_MAX_MINUTES": "0"})
    return Foreign(repository, release)


@pytest.fixture
def published(docker: Docker, image: str, release: Release) -> Iterator[str]:
    """The image under the tag of the commit that it was built from, as a release publishes it."""
    name = f"ghcr.io/pleiades/maia:{release.source}"
    docker("tag", image, name)
    yield name
    docker("rmi", name, check=False)


def test_everything_is_named_by_its_content(foreign: Foreign, published: str, image: str, sandbox: Sandbox) -> None:
    """A copy names maia.yml, which names the action, which runs: each by its commit. The image is the caller's."""
    workflows = foreign.repository.folder / ".github/workflows"
    named = [line for path in workflows.glob("*.yml") for line in path.read_text().splitlines() if "uses:" in line]
    assert named
    assert all(re.search(r"@[0-9a-f]{40}$", line.split("#")[0].strip()) for line in named)
    # a user's own workflow, where the action finds the image of its commit; it migrates the database
    acted = foreign.act("own.yml")
    assert acted.green, acted.output
    assert f"docker pull {published}" not in acted.output
    assert len(sandbox.log.calls("search")) == 1
    acted = foreign.act("hunter.yml", MAIA_IMAGE=image, MAIA_SHARDS="1", MAIA_QUERIES_FILE="topics.txt")
    assert acted.green, acted.output
    assert (acted.jobs["Plan"], acted.jobs["Shard"]) == (1, 1)
    assert len(sandbox.log.calls("search")) == 2, "of the topics, one was searched before"
    acted = foreign.act("janitor.yml", MAIA_IMAGE=image)
    assert acted.green, acted.output


@pytest.mark.parametrize("workflow", ["hunter.yml", "janitor.yml"])
def test_where_no_image_is_named_the_one_of_the_release_is_asked_for_by_its_digest(
    foreign: Foreign, workflow: str
) -> None:
    acted = foreign.act(workflow)
    assert not acted.green
    assert f"docker pull ghcr.io/pleiades/maia@{DIGEST}" in acted.output
