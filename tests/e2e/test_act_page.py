"""docs/local-testing-with-act.md as it is written: its commands from top to bottom, in a clean clone.

What differs from a reader's machine, and nothing else:

- the clone comes from this checkout instead of GitHub, and act is installed already
- the containers have names and ports of this test's own
- where the engine has no postgres:17 and cannot pull it, the tests' own PostgreSQL takes its place
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.act import AT_MOST, EXPORT, PASSED, Acted, Repository, copy_checkout
from ..support.docker_engine import Docker
from ..support.documents import document, sections

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("act")]

PAGE = "docs/local-testing-with-act.md"
POSTGRES = "postgres:17"


def commands() -> list[str]:
    """Every command of the page, in order; one may go over several lines."""
    blocks = [block for section in sections(document(PAGE)) for block in section.blocks if block.language == "bash"]
    return [line for block in blocks for line in re.split(r"(?<!\\)\n", "\n".join(block.lines))]


class Reader:
    """Somebody with one terminal, which is in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()

    def types(self, command: str) -> Acted:
        """Run a command of the page."""
        kept = {name: os.environ[name] for name in PASSED if name in os.environ}
        place = self.home / "place"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{command}\npwd >'{place}'"],
            cwd=self.folder,
            env={**kept, "HOME": str(self.home), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=AT_MOST if command.startswith("act ") else 1800,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-5000:]}"
        self.folder = Path(place.read_text().strip())
        return Acted(done.returncode, done.stdout)


@pytest.fixture
def ports() -> list[int]:
    """Two that are free."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in (one, other)]


@pytest.fixture
def upstream(tmp_path: Path, ports: list[int]) -> Path:
    """Maia's repository, as this checkout is, with this test's ports in the example files."""
    folder = tmp_path / "github" / "maia"
    copy_checkout(folder)
    for name, old, new in ((".secrets.example", 5432, ports[0]), (".vars.example", 8080, ports[1])):
        text = (folder / name).read_text()
        assert f":{old}/" in text
        (folder / name).write_text(text.replace(f":{old}/", f":{new}/"))
    Repository.make(folder, tmp_path / "git-home", "pleiades/maia")
    return folder


@pytest.fixture
def names(docker: Docker) -> Iterator[str]:
    """What stands before the names of this test's containers."""
    prefix = f"act-{uuid.uuid4().hex[:8]}"
    yield prefix
    for name in ("postgres", "youtube"):
        docker("rm", "--force", "--volumes", f"{prefix}-{name}", check=False)


@pytest.fixture
def postgres(docker: Docker, request: pytest.FixtureRequest) -> str | None:
    """The DSN of a database in place of the page's; None where the engine can have the page's own."""
    docker("pull", POSTGRES, check=False, timeout=300)
    if docker("image", "ls", "--quiet", POSTGRES).strip():
        return None
    return str(request.getfixturevalue("empty_dsn"))


def test_a_reader_who_follows_the_page_sees_green(
    docker: Docker, image: str, upstream: Path, ports: list[int], names: str, postgres: str | None, tmp_path: Path
) -> None:
    assert image == "pleiades-maia:latest", "the page builds it once more, from the engine's cache"
    reader, acted = Reader(tmp_path), []

    def here(command: str) -> str | None:
        """The command as it is on this machine; None where there is nothing to do."""
        if command.startswith("go install "):
            return None
        if postgres is not None:
            if command.startswith(("docker run ", "until docker exec ")) and "act-postgres" in command:
                return None
            command = re.sub(r"^(docker rm .*) act-postgres$", r"\1", command)
        command = command.replace("https://github.com/pleiades/maia.git", str(upstream))
        command = command.replace(":5432:", f":{ports[0]}:").replace(":8080:", f":{ports[1]}:")
        return re.sub(r"\bact-(postgres|youtube)\b", rf"{names}-\1", command)

    for command in commands():
        if (mine := here(command)) is None:
            continue
        done = reader.types(mine)
        if postgres is not None and command == "cp .secrets.example .secrets":
            secrets = reader.folder / ".secrets"
            secrets.write_text(re.sub(r"(?m)^DATABASE_URL=.*$", f"DATABASE_URL={postgres}", secrets.read_text()))
        if command.startswith("act "):
            assert done.failed == {}, done.output
            acted.append(done.jobs)
    assert set(EXPORT) <= set(commands()), "the page prepares act as the other tests do"
    hunter, tracker, _, scheduled, foreign = acted
    assert (hunter["Plan"], hunter["Shard"], hunter["Verdict"]) == (1, 4, 1), "as the page says"
    assert tracker == scheduled == {"Plan": 1}, "nothing is due"
    assert foreign["Plan"] == 1
    assert reader.folder == tmp_path / "tubes"
    assert docker("ps", "--all", "--quiet", "--filter", f"name={names}") == ""
