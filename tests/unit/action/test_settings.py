"""The settings: their names are Maia's, secrets never come by an input, and no value is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("action", reason="the action is part of the checkout, not of the wheel")

from pydantic import SecretStr

from action import settings
from action.errors import SettingError
from atlas.config import Settings

from ...support.action_step import DSN, POOL, FakeDocker, Step, ran, result


def test_the_names_are_those_of_the_settings() -> None:
    assert {name.upper() for name in Settings.model_fields} == settings.NAMES


def test_the_secrets_are_those_of_the_settings() -> None:
    secret = {name.upper() for name, field in Settings.model_fields.items() if field.annotation == SecretStr | None}
    assert secret == settings.SECRETS


def test_lines_are_read_without_comments_and_blanks() -> None:
    text = "HUNTER_REGION=US\n\n# a comment\n  HUNTER_TAG_DENY = a=b c \r\nATLAS_CLOCK="
    assert settings.from_lines(text) == {"HUNTER_REGION": "US", "HUNTER_TAG_DENY": "a=b c", "ATLAS_CLOCK": ""}


@pytest.mark.parametrize("name", sorted(settings.SECRETS | {settings.MIGRATION}))
def test_a_secret_is_refused(name: str) -> None:
    with pytest.raises(SettingError, match=rf"Line 2 .* sets {name}, which is a secret.*secrets\.{name} ") as refused:
        settings.from_lines(f"HUNTER_REGION=US\n{name}=the-value")
    assert "the-value" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["ftp://me:the-value@host/a", "'sftp://me:the-value@host/a'", "simplecache::ftp://me:the-value@host/a"]
)
def test_an_address_of_the_archive_with_a_password_is_refused(url: str) -> None:
    with pytest.raises(SettingError, match=r" sets VAULT_URL with a password: .*secrets\.VAULT_URL ") as refused:
        settings.from_lines(f"VAULT_URL={url}")
    assert "the-value" not in str(refused.value)


@pytest.mark.parametrize("url", ["s3://bucket/maia", "sftp://me@host/maia", "abfs://container@account/maia", ""])
def test_an_address_of_the_archive_without_a_password_is_no_secret(url: str) -> None:
    assert settings.from_lines(f"VAULT_URL={url}") == {"VAULT_URL": url}


@pytest.mark.parametrize("name", sorted(settings.OWN))
def test_what_the_action_sets_itself_is_refused(name: str) -> None:
    with pytest.raises(SettingError, match=f"sets {name}: "):
        settings.from_lines(f"{name}=1")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("HUNTER_REGOIN=US", "sets 'HUNTER_REGOIN', which is no setting of Maia. Did you mean HUNTER_REGION?"),
        ("hunter_region=US", "sets 'hunter_region', which is no setting of Maia. Did you mean HUNTER_REGION?"),
        ("XYZ=US", "sets 'XYZ', which is no setting of Maia. See"),
        ("AIzaSy0123456789=", "sets a name, which is no setting of Maia. See"),
        ("AIzaSy0123456789", "Line 1 of the input `settings` is not of the form NAME=value."),
    ],
)
def test_what_is_no_setting_is_refused_with_the_nearest_name(line: str, message: str) -> None:
    with pytest.raises(SettingError) as refused:
        settings.from_lines(line)
    assert message in str(refused.value)
    assert "AIza" not in str(refused.value)


def test_settings_go_into_the_container_by_name_and_those_of_the_input_win(step: Step, docker: FakeDocker) -> None:
    step.env |= {"HUNTER_REGION": "DE", "HUNTER_LANGUAGE": "de", "HF_TOKEN": "", "PREFECT_API_URL": "''"}
    step.env |= {
        "MAIA_RUN_ID": "not-this",
        "MAIA_RESULT_FILE": "/nor/this",
        "UNKNOWN": "x",
        "MIGRATE_DATABASE_URL": DSN,
    }
    assert step.here(settings="HUNTER_REGION=US\nHUNTER_TAG_DENY=a $(b) c", wave="2").code == 0
    (run,) = docker.of("run")
    assert run["env"] == {
        "DATABASE_URL": DSN,
        "HUNTER_LANGUAGE": "de",
        "HUNTER_REGION": "US",
        "HUNTER_TAG_DENY": "a $(b) c",
        "MAIA_RUN_ID": "4711-2",
        "MAIA_WAVE": "2",
        "YOUTUBE_API_KEY_POOL_JSON": POOL,
    }


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
    trusted = {"SSL_CERT_FILE": str(bundle), "SSL_CERT_DIR": str(folder), "REQUESTS_CA_BUNDLE": str(bundle)}
    trusted |= {"AWS_CA_BUNDLE": str(bundle)}
    step.env |= proxies | trusted | {"HTTP_PROXY": " ", "no_proxy": ""}
    done = step.here()
    (run,) = docker.of("run")
    names = {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", *trusted} | {"https_proxy", "http_proxy", "no_proxy"}
    assert {name: value for name, value in run["env"].items() if name in names} == proxies | trusted
    mounts = [word for word in run["arguments"] if word.startswith("type=bind")]
    assert mounts == [f"type=bind,source={path},target={path},readonly" for path in sorted(map(str, (folder, bundle)))]
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
    assert "--env SSL_CERT_FILE" not in " ".join(second["arguments"])
    assert "--env NO_PROXY" in " ".join(second["arguments"])
    assert done.code == 0
    assert any("SSL_CERT_FILE" in text for text in done.annotations("warning"))


def test_an_authority_that_is_not_on_the_runner_is_not_handed_on(
    step: Step, docker: FakeDocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "relative.pem").touch()
    monkeypatch.chdir(tmp_path)
    step.env |= {
        "SSL_CERT_FILE": "/no/such/file.pem", "SSL_CERT_DIR": "", "REQUESTS_CA_BUNDLE": "relative.pem",
    }  # fmt: skip
    step.here()
    (run,) = docker.of("run")
    assert "SSL_CERT" not in " ".join(run["arguments"])
    assert "REQUESTS_CA_BUNDLE" not in " ".join(run["arguments"])
    assert "--mount" not in run["arguments"]


def test_a_setting_of_the_environment_that_is_no_utf8_is_the_containers_to_judge(
    step: Step, docker: FakeDocker
) -> None:
    step.env["HUNTER_REGION"] = value = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert step.run().code == 0
    assert docker.of("run")[0]["env"]["HUNTER_REGION"] == value


def test_an_empty_line_unsets_what_the_environment_sets(step: Step, docker: FakeDocker) -> None:
    step.env["HUNTER_REGION"] = "DE"
    step.here(settings="HUNTER_REGION=")
    assert "HUNTER_REGION" not in docker.of("run")[0]["env"]


def test_a_wrong_setting_ends_the_step_with_78_before_any_container(step: Step, docker: FakeDocker) -> None:
    done = step.here(settings="HF_TOKEN=hf_0123456789")
    assert done.code == 78
    assert done.outputs == {"outcome": "config", "exit-code": "78", "stats": "{}"}
    assert docker.calls == []
    assert "hf_0123456789" not in done.log + done.summary
