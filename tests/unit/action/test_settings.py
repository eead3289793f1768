"""The settings: their names are Maia's, secrets never come by an input, and no value is ever shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from action import settings
from action.errors import SettingError
from atlas.config import Settings

from ...support.action_step import DSN, POOL, FakeDocker, Step, ran, result


def test_the_names_and_the_secrets_are_those_of_the_settings() -> None:
    assert {name.upper() for name in Settings.model_fields} == settings.NAMES
    secret = {name.upper() for name, field in Settings.model_fields.items() if field.annotation == SecretStr | None}
    assert secret == settings.SECRETS


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("HUNTER_REGION=US\n\n# a comment\n  HUNTER_TAG_DENY = a=b c \r\nATLAS_CLOCK=",
         {"HUNTER_REGION": "US", "HUNTER_TAG_DENY": "a=b c", "ATLAS_CLOCK": ""}),
        *((f"VAULT_URL={url}", {"VAULT_URL": url})
          for url in ("s3://bucket/maia", "sftp://me@host/maia", "abfs://container@account/maia", "")),
    ],
)  # fmt: skip
def test_lines_are_read_without_comments_and_blanks(text: str, found: dict[str, str]) -> None:
    assert settings.from_lines(text) == found


SECRET = "AIzaSy0123456789"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        *((f"{name}={SECRET}", f"Line 2 of the input `settings` sets {name}, which is a secret")
          for name in sorted(settings.SECRETS | {settings.MIGRATION})),
        *((f"{name}={SECRET}", f"${{{{ secrets.{name} }}}}")
          for name in sorted(settings.SECRETS | {settings.MIGRATION})),
        *((f"VAULT_URL={url}", "sets VAULT_URL with a password: inputs are shown in the log. Give it by `env:` of the "
           "step or job: VAULT_URL: ${{ secrets.VAULT_URL }}.")
          for url in (f"ftp://me:{SECRET}@host/a", f"'sftp://me:{SECRET}@host/a'", f"a::ftp://me:{SECRET}@host/a")),
        *((f"{name}=1", f"sets {name}: ") for name in sorted(settings.OWN)),
        ("HUNTER_REGOIN=US", "sets 'HUNTER_REGOIN', which is not a setting of Maia. Did you mean HUNTER_REGION?"),
        ("hunter_region=US", "sets 'hunter_region', which is not a setting of Maia. Did you mean HUNTER_REGION?"),
        ("XYZ=US", "sets 'XYZ', which is not a setting of Maia. See"),
        (f"{SECRET}=", "sets a name, which is not a setting of Maia. See"),
        (SECRET, "Line 2 of the input `settings` is not of the form NAME=value."),
    ],
)  # fmt: skip
def test_what_is_no_setting_or_is_a_secret_is_refused_and_not_shown(line: str, message: str) -> None:
    with pytest.raises(SettingError, match=re.escape(message)) as refused:
        settings.from_lines(f"HUNTER_REGION=US\n{line}")
    assert SECRET not in str(refused.value)


def test_settings_go_into_the_container_by_name_and_those_of_the_input_win(step: Step, docker: FakeDocker) -> None:
    latin1 = b"caf\xe9".decode("utf-8", "surrogateescape")  # the container's to judge
    step.env |= {
        "HUNTER_REGION": "DE", "HUNTER_LANGUAGE": latin1, "HF_TOKEN": "", "PREFECT_API_URL": "''",
        "HUNTER_CATEGORY": "10", "MAIA_RUN_ID": "not-this", "MAIA_RESULT_FILE": "/nor/this", "UNKNOWN": "x",
        "MIGRATE_DATABASE_URL": DSN,
    }  # fmt: skip
    done = step.here(settings="HUNTER_REGION=US\nHUNTER_CATEGORY=\nHUNTER_TAG_DENY=a $(b) c", wave="2")
    assert done.code == 0
    (run,) = docker.of("run")
    assert run["env"] == {
        "DATABASE_URL": DSN, "HUNTER_LANGUAGE": latin1, "HUNTER_REGION": "US", "HUNTER_TAG_DENY": "a $(b) c",
        "MAIA_RUN_ID": "4711-2", "MAIA_WAVE": "2", "YOUTUBE_API_KEY_POOL_JSON": POOL,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "https://github.com/me/maia/actions/runs/4711"),
        ({"GITHUB_SERVER_URL": "http://git.local:3000"}, "http://git.local:3000/me/maia/actions/runs/4711"),
        ({"ACT": "true"}, None),
        ({"GITHUB_REPOSITORY": "me/maia evil"}, None),
        ({"GITHUB_SERVER_URL": ""}, None),
    ],
)
def test_the_container_knows_the_page_of_its_workflow_run(
    step: Step, docker: FakeDocker, environ: dict[str, str], url: str | None
) -> None:
    step.env |= {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "me/maia", **environ}
    assert step.here().code == 0
    assert docker.of("run")[0]["env"].get("MAIA_RUN_URL") == url


@pytest.mark.parametrize("by_input", [False, True])
@pytest.mark.parametrize("provider", ["fsspec", "huggingface", ""])
def test_what_an_s3_client_reads_goes_along_where_the_archive_is_in_one(
    step: Step, docker: FakeDocker, provider: str, by_input: bool
) -> None:
    store = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "0123456789", "AWS_ENDPOINT_URL_S3": "https://store"}
    store |= {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required", "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required"}
    step.env |= store | {"AWS_REGION": "", "AWS_PROFILE": "mine"}
    if not by_input:
        step.env["VAULT_PROVIDER"] = provider
    done = step.here(settings=f"VAULT_PROVIDER={provider}" if by_input else "")
    found = {name: value for name, value in docker.of("run")[0]["env"].items() if name.startswith("AWS_")}
    assert found == (store if provider == "fsspec" else {})
    assert "0123456789" not in done.log.replace("::add-mask::0123456789", "")


def test_the_container_gets_the_runners_proxies_and_authorities(step: Step, docker: FakeDocker, tmp_path: Path) -> None:
    bundle, folder = tmp_path / "company.pem", tmp_path / "authorities"
    bundle.touch()
    folder.mkdir()
    proxies = {
        "HTTPS_PROXY": "http://user:proxy-passw0rd@proxy:3128", "http_proxy": "user:other-passw0rd@proxy:3128",
        "NO_PROXY": "localhost,.internal",
    }  # fmt: skip
    trusted = {"SSL_CERT_FILE": str(bundle), "SSL_CERT_DIR": str(folder), "AWS_CA_BUNDLE": str(bundle)}
    # an authority that is not on the runner, or has no path of its own, is not handed on
    step.env |= proxies | trusted | {"HTTP_PROXY": " ", "no_proxy": "", "REQUESTS_CA_BUNDLE": "/no/such/file.pem"}
    done = step.here()
    step.env |= {"SSL_CERT_FILE": "relative.pem", "SSL_CERT_DIR": "", "AWS_CA_BUNDLE": ""}
    step.here()
    run, without = docker.of("run")
    common = {"DATABASE_URL", "YOUTUBE_API_KEY_POOL_JSON", "MAIA_RUN_ID", "MAIA_WAVE"}
    assert {name: value for name, value in run["env"].items() if name not in common} == proxies | trusted
    mounts = [word for word in run["arguments"] if word.startswith("type=bind")]
    assert mounts == [f"type=bind,source={path},target={path},readonly" for path in sorted(map(str, (folder, bundle)))]
    assert set(without["env"]) == common | set(proxies)
    assert "--mount" not in without["arguments"]
    for secret in ("proxy-passw0rd", "other-passw0rd"):
        assert f"::add-mask::{secret}\n" in done.log
        assert secret not in done.log.replace(f"::add-mask::{secret}", "")


def test_a_container_goes_without_authorities_that_the_engine_does_not_see(
    step: Step, docker: FakeDocker, tmp_path: Path
) -> None:
    bundle = tmp_path / "company.pem"
    bundle.touch()
    step.env |= {"SSL_CERT_FILE": str(bundle), "NO_PROXY": "localhost"}
    refusal = f"docker: Error response from daemon: invalid mount config: bind source path does not exist: {bundle}\n"
    docker.plays(run=[ran(125, started=False, output=refusal), ran(result=result())])
    done = step.here()
    first, second = docker.of("run")
    assert "--mount" in first["arguments"]
    assert "--mount" not in second["arguments"]
    assert set(first["env"]) - set(second["env"]) == {"SSL_CERT_FILE"}
    assert "NO_PROXY" in second["env"]
    assert done.code == 0
    assert any("SSL_CERT_FILE" in text for text in done.annotations("warning"))


def test_a_wrong_setting_ends_the_step_with_78_before_any_container(step: Step, docker: FakeDocker) -> None:
    done = step.here(settings="HF_TOKEN=hf_0123456789")
    assert done.code == 78
    assert done.outputs == {"outcome": "config", "exit-code": "78", "stats": "{}"}
    assert docker.calls == []
    assert "hf_0123456789" not in done.log + done.summary
