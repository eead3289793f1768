"""The image: published, named or built, and what is said where it cannot be had."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import pytest

pytest.importorskip("action", reason="the action is part of the checkout, not of the wheel")

from action import image
from action.cancel import Cancel
from action.errors import SettingError
from action.image import published
from action.main import main

from ...support.action_step import FakeDocker, Step
from ...support.documents import CHECKOUT


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


@pytest.mark.parametrize("ref", ["v1", "v1.2.3", "0a1b" * 10, "main", ""])
@pytest.mark.parametrize("there", [False, True])
def test_the_image_of_a_release_is_the_one_it_names_by_digest(
    at_ref: Step, docker: FakeDocker, ref: str, there: bool
) -> None:
    """Whatever the ref is called, so that no tag of the registry decides which image runs."""
    name = "ghcr.io/pleiades/maia@sha256:" + "0a1b" * 16
    docker.plays(images=[name] if there else [])
    at_ref.env |= {"MAIA_ACTION_IMAGE": name, "MAIA_ACTION_REF": ref}
    done = at_ref.run()
    assert done.code == 0
    assert [call["arguments"] for call in docker.of("pull")] == ([] if there else [["pull", name]])
    assert name in docker.of("run")[0]["arguments"]


def test_a_named_image_wins_over_that_of_the_release(at_ref: Step, docker: FakeDocker) -> None:
    at_ref.env["MAIA_ACTION_IMAGE"] = "ghcr.io/pleiades/maia@sha256:" + "0a1b" * 16
    assert at_ref.run(image="maia:mine").code == 0
    assert "maia:mine" in docker.of("run")[0]["arguments"]


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


def test_what_a_pull_prints_is_no_command(step: Step, docker: FakeDocker) -> None:
    docker.plays(pull=[{"code": 0, "output": "::error::x\n##[add-mask]y\n"}])
    done = step.run(image="evil:latest")
    assert done.annotations("error") == []
    assert "y" not in done.masks


@pytest.mark.parametrize(
    "said",
    [
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the "
        "daemon is running: dial unix /var/run/docker.sock: connect: no such file or directory",
        "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock",
        'error during connect: Get "http://builder:2375/v1.41/images": dial tcp: lookup builder: no such host',
        "Error: unable to connect to Podman socket: server API version is too old",
        'ERRO[0000] cannot find UID/GID for user runner: no subuid ranges found for user "runner" in /etc/subuid',
    ],
)
@pytest.mark.parametrize(
    "before", ["", "Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg.\n"]
)
def test_what_an_engine_says_of_itself_is_shown_and_nothing_is_tried_again(
    step: Step, docker: FakeDocker, said: str, before: str
) -> None:
    docker.plays(engine=before + said)
    done = step.here()
    assert (done.code, done.outputs["exit-code"], done.outputs["outcome"]) == (125, "125", "failure")
    (error,) = done.annotations("error")
    assert error.endswith(said)
    assert said in done.summary
    assert docker.of("pull") == docker.of("run") == []


@pytest.mark.parametrize(
    "said",
    [
        "Error: No such image: maia:other",
        "Error response from daemon: No such image: maia:other",
        "Error: inspecting object: maia:other: image not known",
        "Error: no such object: maia:other",
    ],
)
def test_an_image_that_an_engine_does_not_know_is_pulled(step: Step, docker: FakeDocker, said: str) -> None:
    docker.plays(engine=said)
    assert step.here(image="maia:other").code == 0
    assert len(docker.of("pull")) == 1


@pytest.mark.parametrize(
    "said",
    [
        "no matching manifest for linux/arm64/v8 in the manifest list entries",
        'Error: choosing an image from manifest list: no image found in image index for architecture "arm64"',
        'Error: short-name "maia:other" did not resolve to an alias and no unqualified-search registries are defined',
    ],
)
def test_a_pull_that_no_other_try_changes_is_tried_once_and_says_why(step: Step, docker: FakeDocker, said: str) -> None:
    docker.plays(pull=[{"code": 1, "output": said + "\n"}])
    done = step.here(image="maia:other")
    assert (done.code, len(docker.of("pull"))) == (125, 1)
    assert said in done.annotations("error")[0]


# ── built ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_built_from_the_actions_own_checkout_and_run_by_its_id(step: Step, docker: FakeDocker) -> None:
    """Each step asks the engine, whose cache knows what has changed."""
    docker.plays(images=[])
    for _ in range(2):
        assert step.here(image="build").code == 0
    first, second = (call["arguments"] for call in docker.of("build"))
    assert re.fullmatch(r"pleiades-maia:build-[0-9a-f]{12}", first[2])
    assert first == second == ["build", "--tag", first[2], str(CHECKOUT)]
    assert [docker.IMAGE_ID in call["arguments"] for call in docker.of("run")] == [True, True]
    assert docker.of("pull") == []


def test_checkouts_at_different_paths_have_different_tags(step: Step, docker: FakeDocker, tmp_path: Path) -> None:
    docker.plays(images=[], build=[{"code": 1}])
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").touch()
        main(step.environ({"image": "build"}), BytesIO(), Cancel(), tmp_path / name)
    first, second = (call["arguments"] for call in docker.of("build"))
    assert first[2] != second[2]


def test_a_build_uses_the_runners_network_and_no_other(step: Step, docker: FakeDocker) -> None:
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


def test_a_build_that_leaves_no_image_is_said(step: Step, docker: FakeDocker) -> None:
    """Such as one of a builder that keeps its images to itself."""
    docker.plays(images=[], build=[{"code": 0, "lost": True}])
    done = step.here(image="build")
    assert done.code == 125
    assert "The image that was built is not there: Error: No such image: pleiades" in done.annotations("error")[0]


def test_without_a_dockerfile_beside_the_action_there_is_nothing_to_build(
    step: Step, docker: FakeDocker, tmp_path: Path
) -> None:
    code = main(step.environ({"image": "build"}), (out := BytesIO()), Cancel(), tmp_path)
    assert code == 78
    assert b"no Dockerfile beside this action" in out.getvalue()
    assert docker.calls == []
