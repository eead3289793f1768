"""Places that archives are kept in: a Hugging Face Hub and an S3 store, both on this machine."""

from __future__ import annotations

import logging
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
import tenacity
from pydantic import SecretStr

from atlas.vault.providers.hub_retries import HubRetries
from atlas.vault.providers.huggingface import HuggingFaceProvider

from ...support.fake_hf_hub import DATASET, running_hub
from ...support.fake_secrets import S3_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from atlas.vault.providers.base import Provider

    from ...support.fake_hf_hub import Hub

BUCKET = "archives"


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A running Hub with one empty dataset, me/maia-archive."""
    with running_hub() as hub:
        yield hub


def hub_provider(
    hub: Hub, *, token: str | None = None, slept: list[float] | None = None, **options: Any
) -> HuggingFaceProvider:
    """One that does not wait between its tries, but notes how long it was asked to."""
    retries = HubRetries(tenacity.wait_none(), sleep=([] if slept is None else slept).append)
    return HuggingFaceProvider(
        DATASET, SecretStr(token or hub.token), endpoint=hub.endpoint, **{"retries": retries, **options}
    )


def put(provider: Provider, add: Mapping[str, bytes], *delete: str, seconds: float = 30) -> Mapping[str, str]:
    """What of it failed, and why."""
    return provider.commit(add, delete, message="Test", deadline=time.monotonic() + seconds)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3-compatible store."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  slow

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket's address for VAULT_URL; the environment says where the store is and who asks."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "unitTestsOnly")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", S3_SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for method, path in (("POST", "moto-api/reset"), ("PUT", BUCKET)):
        with urllib.request.urlopen(urllib.request.Request(f"{s3_server}/{path}", method=method, data=b"")):
            pass
    return f"s3://{BUCKET}/maia"
