"""An installation from the lock files, a year later: other releases, other versions of pip, other users' settings.

The index is a local one with a newer release of each package that is required with an extra; all other names come from
the index that pip is configured for. Without one in reach the tests are skipped.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..support.documents import CHECKOUT
from ..support.package_index import Unreachable, configured_index, package_index, wheel

LOCKS = sorted(CHECKOUT.glob("requirements*.txt"))
NOWHERE = "http://127.0.0.1:9/simple/"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not LOCKS, reason="the lock files are part of the checkout, not of the wheel"),
]

OLDEST = {"3.11": "23.0", "3.12": "23.1.2", "3.13": "23.1.2"}
"""The oldest pip that each Python can run; of later Pythons, the one that they bring."""


def pythons() -> dict[str, str]:
    """Version → path of each Python that can be found here: the one of these tests, and those on PATH."""
    found = {}
    for name in (sys.executable, *(f"python3.{minor}" for minor in range(11, 16))):
        path = shutil.which(name)
        program = "import sys; print('%d.%d' % sys.version_info[:2])"
        asked = path and subprocess.run([path, "-c", program], capture_output=True, text=True, check=False)
        if path and asked and asked.returncode == 0:
            found.setdefault(asked.stdout.strip(), path)
    return found


PYTHONS = pythons()


def pinned(lock: Path) -> dict[str, tuple[str, str]]:
    """Name with extras → version and marker, of each line of a lock file."""
    lines = re.findall(r"^([a-z0-9][^=\n]*)==([^\s;]+)(.*?) *\\?$", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: (version, marker) for name, version, marker in lines}


def newer_releases() -> dict[str, bytes]:
    """A wheel of version 99.0 of each package that a lock file has with an extra."""
    found = {re.match(r"(.+)\[(.+)\]$", name) for lock in LOCKS for name in pinned(lock)}
    parts = {each[1]: tuple(each[2].split(", ")) for each in found if each}
    assert {"coverage", "httpx", "sqlalchemy"} <= set(parts)
    return {f"{name.replace('-', '_')}-99.0-py3-none-any.whl": wheel(name, "99.0", (), parts[name]) for name in parts}


@pytest.fixture(scope="module")
def index() -> Iterator[str]:
    """The address of the local index."""
    try:
        upstream = configured_index()
    except Unreachable as error:
        pytest.skip(str(error))
    with package_index(newer_releases(), upstream) as address:
        yield address


def environment(**variables: str) -> dict[str, str]:
    """This machine's environment without settings of pip, uv, make and a virtual environment, and with these."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "UV_", "COV_", "COVERAGE_", "MAKE")) and name not in {"VIRTUAL_ENV", "MFLAGS"}
    }
    return {**ours, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=environment(**variables), capture_output=True, text=True, timeout=300, check=False
    )


def succeed(*command: str | Path, cwd: Path | None = None, **variables: str) -> str:
    done = run(*command, cwd=cwd, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def with_pip(index: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Gives the Python of a virtual environment: of that version, with the oldest or the newest pip."""

    @functools.cache
    def make(version: str, age: str) -> Path:
        folder = tmp_path_factory.mktemp("venv")
        python = folder / "bin/python"
        succeed(PYTHONS[version], "-m", "venv", folder)
        if age == "newest":
            succeed(python, "-m", "pip", "install", "--quiet", "--upgrade", "pip", PIP_INDEX_URL=index)
        elif version in OLDEST:
            succeed(python, "-m", "pip", "install", "--quiet", f"pip=={OLDEST[version]}", PIP_INDEX_URL=index)
            assert succeed(python, "-m", "pip", "--version").startswith(f"pip {OLDEST[version]} ")
        return python

    return make


@pytest.mark.parametrize("age", ["oldest", "newest"])
@pytest.mark.parametrize("version", PYTHONS)
def test_every_lock_file_installs_with_any_pip_while_newer_releases_exist(
    version: str, age: str, with_pip: Callable[[str, str], Path], index: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    python = with_pip(version, age)
    uv = [python, CHECKOUT / "tools/uv.py"]
    where = {"PIP_INDEX_URL": index, "UV_CACHE_DIR": str(tmp_path_factory.getbasetemp() / "uv-cache")}
    printed = succeed(*uv, "--version", **where)
    assert printed.split()[1] == pinned(CHECKOUT / "requirements-uv.txt")["uv"][0]
    for lock in LOCKS if age == "oldest" else LOCKS[-1:]:  # uv does the same, whichever pip installed it
        options = ["--quiet", "--dry-run", "--no-build", "--require-hashes", "--python", python]
        succeed(*uv, "pip", "sync", *options, lock, **where)
        succeed(*uv, "pip", "install", *options, "--requirement", lock, **where)  # it is complete


@pytest.mark.parametrize("version", PYTHONS)
def test_the_oldest_pip_installs_what_the_image_holds(
    version: str, with_pip: Callable[[str, str], Path], tmp_path: Path, index: str
) -> None:
    """What builds the package, and of the many others those that newer releases could disturb."""
    dockerfile = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
    (options,) = set(re.findall(r"install --quiet (--require-hashes .+?) \\\n +--requirement", dockerfile))
    text = (CHECKOUT / "requirements.txt").read_text(encoding="utf-8")
    lock = tmp_path / "lock.txt"
    lock.write_text("".join(re.findall(r"^\S+\[.+?(?=^\S)", text, re.MULTILINE | re.DOTALL)))
    assert pinned(lock)
    install = [with_pip(version, "oldest"), "-m", "pip", "install", "--quiet", "--dry-run", *options.split()]
    succeed(*install, "--requirement", CHECKOUT / "requirements-build.txt", "--requirement", lock, PIP_INDEX_URL=index)


@pytest.mark.parametrize(("extra", "code"), [("", 1), ("[x]", 0)])
def test_an_old_pip_needs_the_extra_in_the_lock_file(
    extra: str, code: int, with_pip: Callable[[str, str], Path], tmp_path: Path
) -> None:
    """The fault that all this avoids: without it, the newest release is an unpinned requirement."""
    wheels = {
        "needs_extra-1.0-py3-none-any.whl": wheel("needs-extra", "1.0", ("with-extra[x]>=1",)),
        "with_extra-1.0-py3-none-any.whl": wheel("with-extra", "1.0", (), ("x",)),
        "with_extra-99.0-py3-none-any.whl": wheel("with-extra", "99.0", (), ("x",)),
    }
    one, other, _ = (hashlib.sha256(content).hexdigest() for content in wheels.values())
    lock = tmp_path / "lock.txt"
    lock.write_text(f"needs-extra==1.0 --hash=sha256:{one}\nwith-extra{extra}==1.0 --hash=sha256:{other}\n")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if version not in OLDEST:
        pytest.skip(f"no pip that Python {version} can run has the fault")
    python = with_pip(version, "oldest")
    with package_index(wheels) as local:
        done = run(python, "-m", "pip", "install", "--dry-run", "--requirement", lock, PIP_INDEX_URL=local)
    assert done.returncode == code, done.stderr
    assert ("all requirements must have their versions pinned" in done.stderr) == bool(code)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout whose development environment holds what builds the package, and no more."""
    folder = tmp_path / "home of a user" / "maia"
    folder.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, folder)
    for name in ("tools", "atlas", "maia", "youtube_sandbox"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for lock in LOCKS:
        shutil.copy(lock, folder)
    editables = re.search(
        r"^editables==.*?(?=^\S)", (folder / "requirements-dev.txt").read_text(), re.MULTILINE | re.DOTALL
    )
    assert editables
    parts = [(folder / name).read_text() for name in ("requirements-build.txt", "requirements-uv.txt")]
    (folder / "requirements-dev.txt").write_text("".join([editables[0], *parts]))
    return folder


def configured(home: Path, index: str) -> dict[str, str]:
    """What users have that must not matter, around the one thing that must: where pip finds its packages."""
    elsewhere = home / "elsewhere"
    (home / "constraints.txt").write_text("uv==0.1.0\npip==9\n")
    (home / "pip.conf").write_text(
        f"[global]\nindex-url = {index}\ntarget = {elsewhere}\nconstraint = {home}/constraints.txt\n"
        "[install]\nuser = true\nno-binary = :all:\nprefer-binary = false\n"
    )
    (home / "uv.toml").write_text(f'index-url = "{NOWHERE}"\nno-binary = true\n')
    (home / "pyproject.toml").write_text(f'[tool.uv]\nindex-url = "{NOWHERE}"\n[tool.uv.workspace]\nmembers = ["*"]\n')
    (home / "pip").mkdir()
    (home / "pip/__init__.py").write_text("raise SystemExit('not the pip of the environment')\n")
    (home / "file").touch()
    return {
        "PIP_CONFIG_FILE": str(home / "pip.conf"),
        "PIP_USER": "1", "PIP_DRY_RUN": "1", "PIP_REQUIRE_VIRTUALENV": "1",
        "UV_CONFIG_FILE": str(home / "uv.toml"), "UV_SYSTEM_PYTHON": "1", "UV_PYTHON": "3.7", "UV_NO_BINARY": "1",
        "UV_CONSTRAINT": str(home / "constraints.txt"), "UV_EXCLUDE_NEWER": "2020-01-01", "UV_PROJECT": "/nowhere",
        "UV_NO_VERIFY_HASHES": "1", "UV_RESOLUTION": "lowest", "UV_PRERELEASE": "allow",
        "VIRTUAL_ENV": str(elsewhere), "CONDA_PREFIX": str(elsewhere), "PYTHONPATH": str(home),
        # no folder of a user's, not even for root: nothing can be made below a file
        "HOME": str(home / "file"), "XDG_CACHE_HOME": str(home / "file" / "cache"),
    }  # fmt: skip


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make on this machine")
def test_make_installs_and_locks_the_same_whatever_a_user_has_configured(project: Path, index: str) -> None:
    home = project.parent
    install = ("make", "install", f"PYTHON={sys.executable}")
    lost = run(*install, cwd=project, PIP_INDEX_URL=NOWHERE, PIP_RETRIES="0")
    assert lost.returncode == 2
    assert "127.0.0.1" in lost.stderr or "No matching distribution" in lost.stderr

    theirs = configured(home, index)
    succeed(*install, cwd=project, **theirs)
    python = project / ".venv/bin/python"
    there = succeed(python, "-I", "-c", "import atlas, maia; print(maia.__file__)").strip()
    assert there == str(project / "maia/__init__.py")
    listed = dict(line.split("==") for line in succeed(python, "-I", "-m", "pip", "list", "--format=freeze").split())
    wanted = {name: version for name, (version, _) in pinned(project / "requirements-dev.txt").items()}
    assert {name: listed.get(name) for name in wanted} == wanted
    assert not (home / "elsewhere").exists()
    again = succeed(*install, cwd=project, PIP_INDEX_URL=NOWHERE)
    assert again == "make: Nothing to be done for 'install'.\n"

    # the true lock files, as old as what was installed
    for lock in LOCKS:
        shutil.copy(lock, project)
        os.utime(project / lock.name, (0, 0))
    succeed("make", "lock", cwd=project, **theirs)
    for lock in LOCKS:
        made = project / lock.name
        assert made.stat().st_mtime > 0, "written anew"
        assert pinned(made) == pinned(lock), "no newer release, and nothing that pyproject.toml asks for is missing"
        assert "://" not in made.read_text(), "no index"
