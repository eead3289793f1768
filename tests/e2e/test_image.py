"""The image, on a real engine: what it is made of, what was left out of it, and that no secret is in it."""

from __future__ import annotations

import gzip
import io
import json
import secrets
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.docker_engine import Containers, Docker
from ..support.documents import CHECKOUT
from .conftest import Query

pytestmark = pytest.mark.e2e


def test_what_is_imported_late_is_there(containers: Containers) -> None:
    """What slimming must not take away: flows for a work pool, the archive on the Hub, notifications."""
    code = (
        "import maia.flows, huggingface_hub, apprise, prefect.cli;"
        "assert huggingface_hub.HfApi().preupload_lfs_files;"
        "assert apprise.Apprise().add('jsons://example.org');"
        "print(maia.flows.hunter.name)"
    )
    ended = containers.run("python", "-W", "ignore", "-c", code)
    assert (ended.code, ended.stdout) == (0, "hunter\n"), ended.output


def test_it_starts_from_bytecode_alone(
    containers: Containers, environment: dict[str, str], seeded: None, query: Query
) -> None:
    """On a root that cannot be written, what was not compiled at the build is compiled anew in every container."""
    for agent in ("hunter", "tracker"):
        verbose = {**environment, "PYTHONVERBOSE": "1"}
        ended = containers.maia(agent, environment=verbose).end()
        assert ended.code == 0
        lines = [line for line in ended.stderr.splitlines() if line.startswith("# code object from ")]
        assert len(lines) > 300
        assert [line for line in lines if not line.rstrip("'").endswith(".pyc")] == []
        query("UPDATE videos SET due_at = now() - interval '1 minute'")


def test_it_holds_no_compiler_and_no_pip_and_nothing_that_its_user_may_change(containers: Containers) -> None:
    script = r"""
        for tool in cc gcc c++ ld make pip pip3 uv git curl wget; do command -v $tool; done
        exec 2>/dev/null
        for module in pip ensurepip hatchling; do python -c "import $module; print($module)"; done
        find /opt/maia ! -user root; find /opt/maia ! -type l -perm /022
        find / -xdev \( -name .cache -o -name .env \)
        find /opt/maia -name tests -o -name '*.pyi' -o -name '*.c'
        find /src /dist /opt/build
    """
    ended = containers.run("sh", "-c", script, options=("--user", "0"))
    assert ended.output == ""
    ended = containers.run("sh", "-c", "id -u; id -g; echo $HOME; ls -d -l /run/maia | cut -c -10; touch /opt/maia/x")
    assert ended.stdout.split() == ["10001", "10001", "/tmp", "drwxrwxrwt"]
    assert ended.code != 0


def test_without_a_command_it_shows_the_help(containers: Containers) -> None:
    ended = containers.run(options=())
    assert ended.code == 0
    assert "Usage: maia" in ended.stdout
    assert "hunter" in ended.stdout


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A copy of what the image is built from, with a folder's other files."""
    folder = tmp_path / "context"
    shutil.copytree(
        CHECKOUT, folder, ignore=lambda at, names: [n for n in names if at == str(CHECKOUT) and n not in KEPT]
    )
    return folder


KEPT = {
    ".dockerignore", "Dockerfile", "LICENSE", "README.md", "atlas", "container", "maia", "pyproject.toml",
    "requirements-build.txt", "requirements.txt", "youtube_sandbox",
}  # fmt: skip


def test_no_secret_of_the_checkout_gets_into_a_layer_and_the_labels_are_those_of_the_build(
    docker: Docker, image: str, context: Path
) -> None:
    secret = f"planted-{secrets.token_hex(16)}"
    for name in (
        ".env", ".secrets", "id_rsa", "maia/.env", "maia/secret", "maia/key.pem", "maia/youtube/pool.json",
        "atlas/.netrc", "atlas/sql/password", "container/.env", "container/token",
        "youtube_sandbox/pool.json", "youtube_sandbox/key", ".git/config", "demo/.env",
    ):  # fmt: skip
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(f"KEY={secret}\n")
    labels = {"VERSION": "1.2.3", "REVISION": "f" * 40, "CREATED": "2026-11-22T00:00:00Z"}
    labels["SOURCE"] = "https://example.org"
    arguments = [word for name, value in labels.items() for word in ("--build-arg", f"{name}={value}")]
    tag = f"pleiades-maia:planted-{secrets.token_hex(4)}"
    docker("build", "--tag", tag, *arguments, str(context), timeout=1800)
    try:
        found = json.loads(docker("inspect", "--format", "{{json .Config}}", tag))
        for name, value in {**labels, "LICENSES": "MIT"}.items():
            assert found["Labels"][f"org.opencontainers.image.{name.lower()}"] == value
        assert secret not in docker("history", "--no-trunc", tag) + json.dumps(found)
        files = 0
        for name, content in layers(docker, tag, context.parent / "image.tar"):
            files += 1
            assert secret.encode() not in content, name
        assert files > 3000
    finally:
        docker("rmi", "--no-prune", tag, check=False)


def layers(docker: Docker, image: str, file: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of every layer, and everything else that a registry would get."""
    docker("save", "--output", str(file), image, timeout=600)
    with tarfile.open(file) as archive:
        for member in archive:
            packed = archive.extractfile(member)
            if packed is None:
                continue
            content = packed.read()
            if content[:2] == b"\x1f\x8b":
                content = gzip.decompress(content)
            if not tarfile.is_tarfile(io.BytesIO(content)):
                yield member.name, content
                continue
            with tarfile.open(fileobj=io.BytesIO(content)) as layer:
                for inner in layer:
                    if inner.isfile():
                        data = layer.extractfile(inner)
                        assert data is not None
                        yield inner.name, data.read()
