"""The image: published, named or built, and what the step says where there is none."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import pytest

from action import image
from action.cancel import Cancel
from action.errors import SettingError
from action.image import published
from action.main import main

from ...support.action_step import FakeDocker, Step
from ...support.documents import CHECKOUT

PINNED = "ghcr.io/pleiades/maia@sha256:" + "0a1b" * 16


@pytest.fixture
def at_ref(step: Step) -> Step:
    """A step of the published action."""
    step.env |= {"MAIA_INPUT_IMAGE": "", "MAIA_ACTION_REPOSITORY": "Pleiades/Maia", "MAIA_ACTION_REF": "v1.2.3"}
    return step


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "_BACKOFF", (0.0, 0.0))


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


TAGGED = "ghcr.io/pleiades/maia:"


@pytest.mark.parametrize(
    ("env", "given", "there", "name", "pulled"),
    [
        # one that cannot change is not pulled again, a moving tag is
        ({}, "", False, f"{TAGGED}v1.2.3", True),
        ({}, "", True, f"{TAGGED}v1.2.3", False),
        ({"MAIA_ACTION_REF": "0a1b" * 10}, "", True, f"{TAGGED}{'0a1b' * 10}", False),
        ({"MAIA_ACTION_REF": "v1"}, "", True, f"{TAGGED}v1", True),
        # a release names its image by its digest, so that no tag of the registry decides which image runs
        ({"MAIA_ACTION_IMAGE": PINNED, "MAIA_ACTION_REF": "v1"}, "", False, PINNED, True),
        ({"MAIA_ACTION_IMAGE": PINNED, "MAIA_ACTION_REF": "v1"}, "", True, PINNED, False),
        ({"MAIA_ACTION_IMAGE": PINNED, "MAIA_ACTION_REF": "main"}, "", False, PINNED, True),
        ({"MAIA_ACTION_IMAGE": PINNED, "MAIA_ACTION_REF": ""}, "", False, PINNED, True),
        # a named image wins, and is used as it is
        ({"MAIA_ACTION_IMAGE": PINNED}, "maia:mine", True, "maia:mine", False),
        ({}, "maia:mine", False, "maia:mine", True),
    ],
)
def test_the_image_is_pulled_where_it_is_not_there_or_may_have_changed(
    at_ref: Step, docker: FakeDocker, env: dict[str, str], given: str, there: bool, name: str, pulled: bool
) -> None:
    docker.plays(images=[name] if there else [], pull=[{"code": 0, "output": "::error::x\n##[add-mask]y\n"}])
    at_ref.env |= env
    done = at_ref.here(image=given)
    assert done.code == 0
    assert [call["arguments"] for call in docker.of("pull")] == ([["pull", name]] if pulled else [])
    assert (f"::group::docker pull {name}\n" in done.log) is pulled
    assert name in docker.of("run")[0]["arguments"]
    assert done.annotations("error") == []
    assert "y" not in done.masks, "what a pull prints is no command"


def test_a_pull_is_tried_three_times_and_then_what_is_there_serves(at_ref: Step, docker: FakeDocker) -> None:
    bad = {"code": 1, "output": "dial tcp: i/o timeout\n"}
    docker.plays(pull=[bad, bad, {"code": 0}, bad])
    assert at_ref.here().code == 0
    assert len(docker.of("pull")) == 3
    docker.plays(images=[f"{TAGGED}v1"])
    at_ref.env["MAIA_ACTION_REF"] = "v1"
    done = at_ref.here()
    assert done.code == 0
    assert len(docker.of("pull")) == 6
    assert any("could not be pulled (dial tcp: i/o timeout)" in text for text in done.annotations("warning"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "manifest unknown. Where no image is published for it, as in a fork, use `image: build`."),
        ("maia:other", "no matching manifest for linux/arm64/v8 in the manifest list entries"),
        ("maia:other", "Error: choosing an image from manifest list: no image found in image index for architecture"),
        ("maia:other", 'Error: short-name "maia:other" did not resolve to an alias and no unqualified-search'),
    ],
)
def test_a_pull_that_cannot_succeed_is_tried_once_and_says_why(
    at_ref: Step, docker: FakeDocker, given: str, said: str
) -> None:
    docker.plays(pull=[{"code": 1, "output": said.partition(". Where")[0] + "\n"}])
    done = at_ref.here(image=given)
    assert (done.code, done.outputs["exit-code"], len(docker.of("pull"))) == (125, "125", 1)
    assert said in done.annotations("error")[0]


@pytest.mark.parametrize(
    "said",
    [
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the "
        "daemon is running: dial unix /var/run/docker.sock: connect: no such file or directory",
        "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock",
        'error during connect: Get "http://builder:2375/v1.41/images": dial tcp: lookup builder: no such host',
        "Error: unable to connect to Podman socket: server API version is too old",
        "Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg.\nERRO[0000] cannot find UID/GID"
        ' for user runner: no subuid ranges found for user "runner" in /etc/subuid',
    ],
)
def test_what_an_engine_says_of_itself_is_shown_and_nothing_is_tried_again(
    step: Step, docker: FakeDocker, said: str
) -> None:
    docker.plays(engine=said)
    done = step.here()
    assert (done.code, done.outputs["exit-code"], done.outputs["outcome"]) == (125, "125", "failure")
    (error,) = done.annotations("error")
    assert error.endswith(said.replace("\n", " "))
    assert said.replace("\n", " ") in done.summary
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


def test_it_is_built_from_the_actions_own_checkout_and_run_by_its_id(step: Step, docker: FakeDocker) -> None:
    """Each step asks the engine, whose cache knows what has changed; a build takes no network but the runner's."""
    docker.plays(images=[])
    for network in ("", "host", "github_network_1"):
        assert step.here(image="build", network=network).code == 0
    first, second, third = (call["arguments"] for call in docker.of("build"))
    assert re.fullmatch(r"pleiades-maia:build-[0-9a-f]{12}", first[2])
    assert first == third == ["build", "--tag", first[2], str(CHECKOUT)]
    assert second == [*first[:3], "--network", "host", str(CHECKOUT)]
    assert all(docker.IMAGE_ID in call["arguments"] for call in docker.of("run"))
    assert docker.of("pull") == []


def test_checkouts_at_different_paths_have_different_tags(step: Step, docker: FakeDocker, tmp_path: Path) -> None:
    docker.plays(images=[], build=[{"code": 1}])
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").touch()
        main(step.environ({"image": "build"}), BytesIO(), Cancel(), tmp_path / name)
    first, second = (call["arguments"] for call in docker.of("build"))
    assert first[2] != second[2]


@pytest.mark.parametrize(
    ("code", "lost", "message"),
    [
        (1, False, "The image could not be built (docker build ended with 1): no space left on device"),
        # such as one of a builder that keeps its images to itself
        (0, True, "The built image cannot be found: Error: No such image: pleiades"),
    ],
)
def test_a_build_that_fails_or_leaves_no_image_says_so(
    step: Step, docker: FakeDocker, code: int, lost: bool, message: str
) -> None:
    docker.plays(images=[], build=[{"code": code, "output": "Step 1/9\nno space left on device\n"}], lost=lost)
    done = step.here(image="build")
    assert done.code == 125
    assert message in done.annotations("error")[0]


def test_without_a_dockerfile_beside_the_action_there_is_nothing_to_build(
    step: Step, docker: FakeDocker, tmp_path: Path
) -> None:
    code = main(step.environ({"image": "build"}), (out := BytesIO()), Cancel(), tmp_path)
    assert code == 78
    assert b"no Dockerfile beside this action" in out.getvalue()
    assert docker.calls == []
