"""docs/container.md and the files that build the image: they say what the code does, and agree with one another."""

from __future__ import annotations

import re
import shlex
import tomllib
from typing import Any

import pytest
import yaml

import maia.cli
from atlas.config import Settings
from maia.runtime.exitcodes import EXIT_CODES, ExitCode
from maia.runtime.shutdown import CLEANUP_SECONDS, GRACE_SECONDS

from ..support.documents import CHECKOUT, document, needs_documents, sections, table
from .test_docs import parses

pytestmark = needs_documents

PLATFORM = {"JOB_COMPLETION_INDEX", "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"}
AS_BELOW = ("Kubernetes, as below", "Cloud Run, as below")


def text(name: str) -> str:
    document("README.md")  # without a checkout there is nothing to read
    return (CHECKOUT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    """The YAML documents by their kind."""
    blocks = [block for section in sections(document("docs/container.md")) for block in section.blocks]
    found = [yaml.safe_load("\n".join(block.lines)) for block in blocks if block.language == "yaml"]
    return {each["kind"]: each for each in found}


def pod(manifests: dict[str, Any], kind: str) -> dict[str, Any]:
    spec = manifests[kind]["spec"]
    spec = spec["jobTemplate"]["spec"]["template"] if kind == "CronJob" else spec["template"]["spec"]["template"]
    return dict(spec["spec"])


def test_only_what_stays_wrong_ends_a_kubernetes_job_at_once(manifests: dict[str, Any]) -> None:
    rows = list(table(document("docs/container.md"), "code", "name", *AS_BELOW))
    assert [(int(code), name) for code, name, _, _ in rows] == [(row.code.value, row.name) for row in EXIT_CODES]
    job = manifests["CronJob"]["spec"]["jobTemplate"]["spec"]
    first, second = job["podFailurePolicy"]["rules"]
    assert first["action"] == "FailJob"
    assert first["onExitCodes"]["operator"] == "In"
    assert set(first["onExitCodes"]["values"]) == {ExitCode.USAGE, ExitCode.CONFIG}
    assert {int(code) for code, _, what, _ in rows if "immediately" in what} == {ExitCode.USAGE, ExitCode.CONFIG}
    assert second == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    assert job["backoffLimit"] >= job["completions"]
    assert pod(manifests, "CronJob")["restartPolicy"] == "Never", "the policy asks for it"
    assert first["onExitCodes"]["containerName"] in {each["name"] for each in pod(manifests, "CronJob")["containers"]}


def test_a_killed_pod_has_the_time_to_store_what_was_answered(manifests: dict[str, Any]) -> None:
    longest = GRACE_SECONDS + 2 * CLEANUP_SECONDS
    assert pod(manifests, "CronJob")["terminationGracePeriodSeconds"] > longest
    said = " ".join(document("docs/container.md").split())
    assert f"within {longest:.0f} s with code {ExitCode.SIGTERM}" in said


@pytest.mark.parametrize("kind", ["CronJob", "Job"])
def test_the_manifests_use_settings_and_commands_that_exist(manifests: dict[str, Any], kind: str) -> None:
    (container,) = pod(manifests, kind)["containers"]
    assert {each["name"] for each in container["env"]} <= {name.upper() for name in Settings.model_fields}
    for each in container["env"]:
        (source,) = each["valueFrom"]
        assert source in {"secretKeyRef", "fieldRef"}, "no secret stands in a file"
    words = [*container["command"], *container["args"]]
    if words[:2] == ["sh", "-c"]:
        words = shlex.split(words[2].removeprefix("exec "))
    assert words[:3] == ["python", "-m", "maia"]
    used = set(re.findall(r"\$\(?([A-Z_]+)", " ".join(words)))
    assert used <= PLATFORM
    parses(maia.cli.app(), [re.sub(r"\$\(?\w*INDEX\)?", "0", re.sub(r"\$\w*COUNT", "4", word)) for word in words[3:]])


def test_the_shards_are_as_many_as_the_pods(manifests: dict[str, Any]) -> None:
    job = manifests["CronJob"]["spec"]["jobTemplate"]["spec"]
    assert f"$(JOB_COMPLETION_INDEX)/{job['completions']}" in pod(manifests, "CronJob")["containers"][0]["args"]
    minutes = int(pod(manifests, "CronJob")["containers"][0]["args"][-2])
    assert minutes * 60 < job["activeDeadlineSeconds"]
    assert minutes * 60 < pod(manifests, "Job")["timeoutSeconds"]


def test_the_build_arguments_are_those_of_the_dockerfile() -> None:
    rows = table(document("docs/container.md"), "build argument", "meaning")
    documented = {name for names, _ in rows for name in re.findall(r"`([A-Z_]+)`", names)}
    assert documented == set(re.findall(r"^ARG (\w+)", text("Dockerfile"), re.MULTILINE))


def test_the_images_user_and_license_are_as_written_and_nothing_needs_buildkit() -> None:
    dockerfile = text("Dockerfile")
    assert not re.search(r"^# syntax|--mount|--link|--chmod|<<", dockerfile, re.MULTILINE)
    assert "USER 10001:10001\n" in dockerfile
    assert "the image's own are 10001 and 10001" in document("docs/container.md")
    project = tomllib.loads(text("pyproject.toml"))["project"]
    assert f"ARG LICENSES={project['license']}\n" in dockerfile


def test_the_builder_is_sent_what_the_dockerfile_copies_and_nothing_else() -> None:
    lines = [line for line in text(".dockerignore").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*", "a list of what may go in"
    sent = {line[1:].split("/")[0] for line in lines if line.startswith("!")}
    copied = {
        source.split("/")[0]
        for line in re.findall(r"^COPY (?!--from)(.+)$", text("Dockerfile"), re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert sent == copied | {"Dockerfile"}


def test_every_locked_file_that_the_image_needs_has_hashes() -> None:
    for name in ("requirements.txt", "requirements-build.txt"):
        pinned = re.findall(r"^[a-z0-9][^ ]*==\S+.*$", text(name), re.MULTILINE)
        assert pinned
        assert all(line.endswith("\\") for line in pinned), "its hashes follow"
    (backend,) = tomllib.loads(text("pyproject.toml"))["build-system"]["requires"]
    assert f"\n{re.split('[<>=]', backend)[0]}==" in text("requirements-build.txt")
    same = [line for line in text("requirements-build.txt").splitlines() if line.startswith("hatchling==")]
    assert set(same) <= set(text("requirements-dev.txt").splitlines())
