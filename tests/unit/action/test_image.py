"""The image: published, named or built, and what is said where it cannot be had."""

from __future__ import annotations

import fcntl
import os
import re
import signal
from pathlib import Path

import pytest

pytest.importorskip("action", reason="the action is part of the checkout, not of the wheel")

from action import image
from action.errors import SettingError
from action.image import published
from action.tree import PARTS, tree_hash

from ...markdown import CHECKOUT
from .steps import FakeDocker, Step


@pytest.fixture
def at_ref(step: Step) -> Step:
    """A step of the published action."""
    step.env |= {"MAIA_INPUT_IMAGE": "", "MAIA_ACTION_REPOSITORY": "Pleiades/Maia", "MAIA_ACTION_REF": "v1.2.3"}
    return step


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "_BACKOFF", (0.0, 0.0))


# ── published ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("ref", "tag"), [("v1", "v1"), ("v1.2.3", "v1.2.3"), ("refs/tags/v1", "v1"), ("0a1b" * 10, "0a1b" * 10)]
)
def test_release_tags_and_commits_have_an_image(ref: str, tag: str) -> None:
    assert published("Pleiades/Maia", ref) == f"ghcr.io/pleiades/maia:{tag}"


@pytest.mark.parametrize("ref", ["main", "feature/x", "v1.2", "1.2.3", "0a1b2c3", "refs/heads/v1", ""])
def test_other_refs_have_none_and_the_message_says_what_to_do(ref: str) -> None:
    with pytest.raises(SettingError, match=r"No image is published for .* release tag, such as v1, or `image: build`"):
        published("pleiades/maia", ref)


def test_a_local_action_has_none(step: Step, docker: FakeDocker) -> None:
    step.env["MAIA_INPUT_IMAGE"] = ""
    done = step.here()
    assert done.code == 78
    assert "No image is published for an action without a ref (`uses: ./`)." in done.annotations("error")[0]
    assert docker.calls == []


def test_the_image_is_pulled_where_it_is_not_there(at_ref: Step, docker: FakeDocker) -> None:
    done = at_ref.run()
    assert done.code == 0
    assert [call["arguments"] for call in docker.of("pull")] == [["pull", "ghcr.io/pleiades/maia:v1.2.3"]]
    assert "::group::docker pull ghcr.io/pleiades/maia:v1.2.3\n" in done.log
    assert "ghcr.io/pleiades/maia:v1.2.3" in docker.of("run")[0]["arguments"]


@pytest.mark.parametrize("ref", ["v1.2.3", "0a1b" * 10])
def test_one_that_cannot_change_is_not_pulled_again(at_ref: Step, docker: FakeDocker, ref: str) -> None:
    docker.plays(images=[f"ghcr.io/pleiades/maia:{ref}"])
    at_ref.env["MAIA_ACTION_REF"] = ref
    assert at_ref.here().code == 0
    assert docker.of("pull") == []


def test_a_moving_tag_is_pulled_again_and_what_is_there_serves_where_that_fails(
    at_ref: Step, docker: FakeDocker
) -> None:
    docker.plays(images=["ghcr.io/pleiades/maia:v1"], pull=[{"code": 1, "output": "dial tcp: i/o timeout\n"}])
    at_ref.env["MAIA_ACTION_REF"] = "v1"
    done = at_ref.here()
    assert done.code == 0
    assert len(docker.of("pull")) == 3
    assert any("could not be pulled (dial tcp: i/o timeout)" in text for text in done.annotations("warning"))


def test_a_pull_is_tried_three_times(at_ref: Step, docker: FakeDocker) -> None:
    bad = {"code": 1, "output": "net/http: TLS handshake timeout\n"}
    docker.plays(pull=[bad, bad, {"code": 0}])
    assert at_ref.here().code == 0
    assert len(docker.of("pull")) == 3


def test_a_pull_that_cannot_succeed_is_tried_once(at_ref: Step, docker: FakeDocker) -> None:
    docker.plays(pull=[{"code": 1, "output": "Error response from daemon: manifest unknown\n"}])
    done = at_ref.here()
    assert (done.code, done.outputs["exit-code"]) == (125, "125")
    assert len(docker.of("pull")) == 1
    assert (
        "manifest unknown. Where no image is published for it, as in a fork, use `image: build`."
        in (done.annotations("error")[0])
    )


def test_a_named_image_that_is_there_is_used_as_it_is(step: Step, docker: FakeDocker) -> None:
    step.here(image="maia:test")
    assert docker.of("pull") == []


def test_a_named_image_that_is_not_there_is_pulled(step: Step, docker: FakeDocker) -> None:
    step.here(image="ghcr.io/me/maia:x")
    assert [call["arguments"][1] for call in docker.of("pull")] == ["ghcr.io/me/maia:x"]


def test_what_a_pull_prints_is_no_command(step: Step, docker: FakeDocker) -> None:
    docker.plays(pull=[{"code": 0, "output": "::error::x\n##[add-mask]y\n"}])
    done = step.run(image="evil:latest")
    assert done.annotations("error") == []
    assert "y" not in done.masks


# ── built ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name in ("Dockerfile", "maia/a.py", "maia/sub/b.py", "atlas/sql/c.sql", "requirements.txt", "docs/x.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def test_the_hash_changes_with_what_the_image_is_made_of(tree: Path) -> None:
    before = tree_hash(tree)
    assert re.fullmatch(r"[0-9a-f]{16}", before)
    seen = {before}
    (tree / "maia" / "sub" / "b.py").write_text("changed")
    seen.add(tree_hash(tree))
    (tree / "maia" / "sub" / "b.py").rename(tree / "maia" / "b.py")
    seen.add(tree_hash(tree))
    (tree / "maia" / "b.py").chmod(0o755)
    seen.add(tree_hash(tree))
    (tree / "LICENSE").write_text("")
    seen.add(tree_hash(tree))
    (tree / "atlas" / "link").symlink_to("sql/c.sql")
    seen.add(tree_hash(tree))
    assert len(seen) == 6


def test_the_hash_does_not_change_with_what_is_not_in_the_image(tree: Path) -> None:
    before = tree_hash(tree)
    (tree / "docs" / "x.md").write_text("changed")
    (tree / ".env").write_text("SECRET=1")
    (tree / "maia" / "__pycache__").mkdir()
    (tree / "maia" / "__pycache__" / "a.pyc").write_text("x")
    assert tree_hash(tree) == before


def test_the_parts_are_what_dockerignore_lets_through() -> None:
    lines = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = {line[1:] for line in lines if re.fullmatch(r"![^/*]+", line)}
    assert let_through | {".dockerignore"} == set(PARTS)
    assert all((CHECKOUT / part).exists() for part in PARTS)


def test_it_is_built_once_from_the_actions_own_checkout(step: Step, docker: FakeDocker) -> None:
    docker.plays(images=[])
    for _ in range(2):
        assert step.here(image="build").code == 0
    (build,) = docker.of("build")
    tag = f"pleiades-maia:tree-{tree_hash(CHECKOUT)}"
    assert build["arguments"] == ["build", "--tag", tag, str(CHECKOUT)]
    assert [tag in call["arguments"] for call in docker.of("run")] == [True, True]


def test_the_runners_network_is_the_builds_too_and_one_of_ones_own_is_not(step: Step, docker: FakeDocker) -> None:
    docker.plays(images=[], build=[{"code": 1}])
    step.here(image="build", network="host")
    step.here(image="build", network="github_network_1")
    assert [("--network" in call["arguments"]) for call in docker.of("build")] == [True, False]


def test_a_build_that_fails_says_what_docker_said(step: Step, docker: FakeDocker) -> None:
    docker.plays(images=[], build=[{"code": 1, "output": "Step 1/9\nno space left on device\n"}])
    done = step.here(image="build")
    assert done.code == 125
    assert (
        "The image could not be built (docker build ended with 1): no space left on device"
        in (done.annotations("error")[0])
    )


def test_without_a_dockerfile_beside_the_action_there_is_nothing_to_build(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no Dockerfile beside this action"):
        tree_hash(tmp_path)


def lock_file(step: Step) -> Path:
    return step.folder / f"pleiades-maia-build-{os.getuid()}.lock"


def test_a_second_leg_waits_for_the_first_and_says_so(step: Step, docker: FakeDocker) -> None:
    docker.plays(images=[])
    with lock_file(step).open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        leg = step.start(image="build")
        leg.wait_for("Another leg on this machine is building the image; waiting for it.")
        (docker.folder / "built").touch()
    assert leg.end().code == 0
    assert docker.of("build") == []


def test_legs_that_begin_together_build_once(step: Step, docker: FakeDocker, tmp_path: Path) -> None:
    docker.plays(images=[])
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder in folders:
        folder.mkdir()
    # one machine: its folder for temporary files is the same
    legs = [Step(folder, step.env | {"TMPDIR": str(tmp_path)}).start(image="build") for folder in folders]
    assert [leg.end().code for leg in legs] == [0, 0, 0]
    assert len(docker.of("build")) == 1


def test_a_leg_that_waits_can_be_cancelled(step: Step, docker: FakeDocker) -> None:
    docker.plays(images=[])
    with lock_file(step).open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        leg = step.start(image="build")
        leg.wait_for("waiting for it")
        leg.signal(signal.SIGINT)
        done = leg.end()
    assert (done.code, done.outputs["outcome"]) == (130, "cancelled")
    assert docker.of("build") == docker.of("run") == []


def test_the_lock_is_no_link_to_anothers_file(step: Step, docker: FakeDocker, tmp_path: Path) -> None:
    docker.plays(images=[])
    (tmp_path / "precious").write_text("x")
    lock_file(step).symlink_to(tmp_path / "precious")
    done = step.run(image="build")
    assert done.code == 125
    assert (tmp_path / "precious").read_text() == "x"
