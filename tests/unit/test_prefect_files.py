"""prefect.yaml and the templates of its work pools: they agree with the code, with one another, and hold no secret."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from atlas.config import Settings

from ..support.documents import CHECKOUT, document, needs_documents, sections

pytestmark = needs_documents

IMAGE = "ghcr.io/pleiades/maia:v1"
POOLS = ("docker", "kubernetes")


@pytest.fixture(scope="module")
def deployments() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text())["deployments"]
    return found


def template(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHECKOUT / f"container/prefect-{kind}.json").read_text())
    return found


def test_every_agent_is_deployed_to_every_pool(deployments: list[dict[str, Any]]) -> None:
    found = sorted((each["entrypoint"], each["name"], each["work_pool"]["name"]) for each in deployments)
    assert found == sorted(
        (f"maia.flows.{agent}", kind, f"maia-{kind}")
        for agent in ("hunter", "janitor", "tracker")
        for kind in ("process", *POOLS)
    )


def test_the_schedules_are_examples_and_those_of_the_workflows(deployments: list[dict[str, Any]]) -> None:
    for each in deployments:
        (schedule,) = each["schedules"]
        assert schedule["active"] is False
        agent = each["entrypoint"].rpartition(".")[2]
        assert f'cron: "{schedule["cron"]}"' in (CHECKOUT / f".github/workflows/{agent}.yml").read_text()


def test_containers_are_of_the_published_image(deployments: list[dict[str, Any]]) -> None:
    images = [each["work_pool"]["job_variables"]["image"] for each in deployments if each["name"] in POOLS]
    images += [template(kind)["variables"]["properties"]["image"]["default"] for kind in POOLS]
    assert images == [IMAGE] * 8


def test_a_deployment_names_no_secret(deployments: list[dict[str, Any]]) -> None:
    """`prefect deploy` would replace the reference to one by its value, which everybody could read there."""
    assert "prefect.blocks" not in json.dumps(deployments)
    assert not [each for each in deployments if "env" in each["work_pool"].get("job_variables", {})]


@pytest.mark.parametrize("kind", POOLS)
def test_each_variable_of_a_template_is_used_and_each_one_used_is_there(kind: str) -> None:
    used = set(re.findall(r"\{\{ ([a-z_]+) \}\}", json.dumps(template(kind)["job_configuration"])))
    assert used == template(kind)["variables"]["properties"].keys()


def test_the_secrets_of_a_container_are_references_to_blocks() -> None:
    environment = template("docker")["variables"]["properties"]["env"]["default"]
    references = {
        name: text for name, text in environment.items() if name in {each.upper() for each in Settings.model_fields}
    }
    assert references == {
        "DATABASE_URL": "{{ prefect.blocks.secret.maia-database-url }}",
        "YOUTUBE_API_KEY_POOL_JSON": "{{ prefect.blocks.secret.maia-key-pool }}",
    }
    assert {"maia-database-url", "maia-key-pool"} <= set(re.findall(r"maia-[a-z-]+", document("docs/prefect.md")))


def test_the_pods_are_those_of_the_container_page() -> None:
    pod = template("kubernetes")["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["name"] == "prefect-job", "the worker looks for it"
    assert container["envFrom"] == [{"secretRef": {"name": "{{ secret }}"}}]
    blocks = [block for each in sections(document("docs/container.md")) for block in each.blocks]
    (cron,) = [block for block in blocks if block.lines and "kind: CronJob" in block.lines]
    page = yaml.safe_load("\n".join(cron.lines))["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    for name in ("automountServiceAccountToken", "enableServiceLinks", "restartPolicy", "securityContext", "volumes"):
        assert pod[name] == page[name]
    for name in ("securityContext", "volumeMounts"):
        assert container[name] == page["containers"][0][name]
