"""Every member of every secret is hidden before anything is printed, and the matrix survives what that does."""

from __future__ import annotations

import io
import json

import pytest

pytest.importorskip("action", reason="the action is part of the checkout, not of the wheel")

from action.masks import Masks
from action.runner import Runner

from ...support.action_step import DSN, KEYS, FakeDocker, Step, commands, ran, result


def masked(**environ: str) -> list[str]:
    out = io.BytesIO()
    Masks(environ).announce(Runner({"GITHUB_ACTIONS": "true"}, out))
    found = commands(out.getvalue().decode())
    return [data.replace("%0A", "\n").replace("%25", "%") for name, _, data in found if name == "add-mask"]


def warnings(**environ: str) -> list[str]:
    out = io.BytesIO()
    Masks(environ).warn(Runner({"GITHUB_ACTIONS": "true"}, out), environ)
    return [data for name, _, data in commands(out.getvalue().decode()) if name == "warning"]


POOL = "YOUTUBE_API_KEY_POOL_JSON"
NOT_JSON = '{"hunting": [\n "key-hunting-1",\n}'


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (POOL, '{"hunting": ["key-hunting-1", "key-hunting-2"], "tracking": ["key-tracking-1"]}', KEYS),
        (POOL, '\'["key-hunting-1", "key-hunting-2", "key-tracking-1"]\'', KEYS),
        (
            POOL,
            '{\n  "hunting": [\n    "key-hunting-1",\n    "key-hunting-2"\n  ],\n  "t": ["key-tracking-1"]\n}\n',
            KEYS,
        ),
        (POOL, '[["key-hunting-1"], {"a": {"b": ["key-hunting-2", "key-tracking-1"]}}]', KEYS),
        (POOL, "[1234567890, null, true]", ["1234567890"]),
        (POOL, NOT_JSON, [NOT_JSON, '{"hunting": [', ' "key-hunting-1",', "}", '"key-hunting-1",']),
        (POOL, "[" * 100_000, ["[" * 100_000]),
        ("HF_TOKEN", " hf_0123456789 ", ["hf_0123456789"]),
        ("HF_TOKEN", "first-line\n100 %", ["first-line\n100 %", "first-line", "100 %"]),
        ("PREFECT_API_KEY", "pnu_0123456789", ["pnu_0123456789"]),
        ("PREFECT_API_KEY", "''", []),
        ("NOTIFY_URLS", "json://a/b  tgram://c/d", ["json://a/b", "tgram://c/d"]),
        ("NOTIFY_URLS", "churn,key_suspended=json://a/b?c=d json://e/?f=g", ["json://a/b?c=d", "json://e/?f=g"]),
        ("NOTIFY_URLS", " ", []),
    ],
)
def test_every_part_of_a_secret_is_masked(name: str, value: str, expected: list[str]) -> None:
    assert list(dict.fromkeys(masked(**{name: value}))) == expected


@pytest.mark.parametrize(
    ("url", "passwords"),
    [
        ("postgresql://u:hunter%402%25x@host/db", ["hunter%402%25x", "hunter@2%x"]),
        ("'postgresql://u:long-password@host/db'", ["long-password"]),
        ("postgresql://u:pass@word/with:all@host:5432/db", ["pass@word/with:all"]),
        ("postgresql://host/db?user=u&password=from%20query&x=1", ["from%20query", "from query"]),
        ("postgresql://u:half[bracket@host/db", ["half[bracket"]),
        ("postgresql://u@host/db", []),
        ("nonsense", []),
        ("", []),
    ],
)
@pytest.mark.parametrize("name", ["DATABASE_URL", "MIGRATE_DATABASE_URL", "VAULT_URL"])
def test_the_password_is_masked_as_written_and_decoded(name: str, url: str, passwords: list[str]) -> None:
    assert set(passwords) <= set(masked(**{name: url}))
    if not passwords:
        assert masked(**{name: url}) == []


def test_short_values_are_masked_with_a_warning_that_does_not_show_them() -> None:
    pool = json.dumps(["Zq", "Xw", "long-enough-key"])
    assert masked(YOUTUBE_API_KEY_POOL_JSON=pool) == ["Zq", "Xw", "long-enough-key"]
    (warning,) = warnings(YOUTUBE_API_KEY_POOL_JSON=pool)
    assert "2 times a key in YOUTUBE_API_KEY_POOL_JSON has fewer than 8 characters" in warning
    assert "Zq" not in warning
    assert "Xw" not in warning


def step_of(command: str, **inputs: str) -> dict[str, str]:
    return {f"MAIA_INPUT_{name.upper()}": value for name, value in {"command": command, **inputs}.items()}


RUN = {"run": "4711-2"}
WORKFLOW = [
    step_of("plan"),
    *(step_of("hunter", shard=f"{shard}/4", wave="1", **RUN) for shard in range(4)),
    step_of("plan", wave="2", **RUN),
    *(step_of("hunter", shard=f"{shard}/2", wave="2", **RUN) for shard in range(2)),
    step_of("verdict", **RUN),
]
PLANNED = {"DATABASE_URL": "postgresql://u:short@db/maia", "YOUTUBE_API_KEY_POOL_JSON": '["k"]'}
OF_SHARDS = {"HF_TOKEN": "hf_1"}


@pytest.mark.parametrize(
    ("steps", "given", "expected"),
    [
        (WORKFLOW, [PLANNED] * 9, 2),
        (WORKFLOW, [PLANNED, *[PLANNED | OF_SHARDS] * 4, PLANNED, *[PLANNED | OF_SHARDS] * 2, PLANNED], 3),
        (WORKFLOW, [PLANNED | OF_SHARDS] * 9, 3),
        ([step_of("hunter")], [PLANNED | OF_SHARDS], 3),
        ([step_of("tracker", shard=f"{shard}/3") for shard in range(3)], [PLANNED | OF_SHARDS] * 3, 3),
        ([step_of("janitor")], [PLANNED | OF_SHARDS], 3),
        ([{}], [PLANNED], 2),
    ],
    ids=["workflow", "with a token of the shards", "all in all jobs", "one shard", "a matrix", "janitor", "by hand"],
)
def test_a_short_secret_is_warned_of_once_in_a_run(
    steps: list[dict[str, str]], given: list[dict[str, str]], expected: int
) -> None:
    said = [text for inputs, env in zip(steps, given, strict=True) for text in warnings(**env, **inputs)]
    assert len(said) == expected
    assert len(set(said)) == expected


def test_masks_come_before_all_other_output(step: Step) -> None:
    step.env |= {"HF_TOKEN": "hf_0123456789", "MAIA_INPUT_COMMAND": "foo"}
    log = step.run().log.splitlines()
    count = len(KEYS) + 2
    assert all(line.startswith("::add-mask::") for line in log[:count])
    assert not any(line.startswith("::add-mask::") for line in log[count:])
    assert not any(secret in line for line in log[count:] for secret in [*KEYS, "hf_0123456789"])


# ── what the runner does to outputs ─────────────────────────────────────────────────────────────────────────────────


def job_outputs(outputs: dict[str, str], masks: list[str], secrets: list[str]) -> dict[str, str]:
    """What is left of a job's outputs (runner: JobExtension, Worker.InitializeSecretMasker)."""
    hidden = {mask for mask in masks if mask.strip()}
    for secret in secrets:
        hidden |= {secret.strip(), *(line.strip() for line in secret.strip().splitlines())} - {""}
    return {name: value for name, value in outputs.items() if value and not any(mask in value for mask in hidden)}


PLAN = {"agent": "hunter", "shards": 3, "wave": 1, "due": 120, "calls_left": {"search": 230}, "reason": "work is due"}


@pytest.mark.parametrize("key", ["k", "o", "hunter", "t", "shards"])
def test_a_password_hunter_and_a_one_letter_key_do_not_empty_the_matrix(
    step: Step, docker: FakeDocker, key: str
) -> None:
    docker.plays(run=[ran(result=result("plan", stats=PLAN))], secrets=[])
    step.env["YOUTUBE_API_KEY_POOL_JSON"] = pool = json.dumps([key])
    done = step.here(command="plan")
    assert done.code == 0
    assert {"hunter", key} <= set(done.masks)
    left = job_outputs(done.outputs, done.masks, [DSN, pool])
    assert left["shards"] == "[0,1,2]"
    assert left["run"] == "4711-2"


def test_outputs_that_will_be_dropped_are_named(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(result=result("plan", stats=PLAN))], secrets=[])
    step.env["YOUTUBE_API_KEY_POOL_JSON"] = pool = '["o"]'
    done = step.here(command="plan")
    dropped = set(done.outputs) - set(job_outputs(done.outputs, done.masks, [DSN, pool]))
    assert dropped == {"outcome"}
    (warning,) = [text for text in done.annotations("warning") if "empties" in text]
    assert "A key of YOUTUBE_API_KEY_POOL_JSON" in warning
    assert "`outcome`" in warning


@pytest.mark.parametrize("key", ["0", "1", "2", "3", "7", "8", "78", "47", "k", "ok", "config", "[", ",", "]", "-"])
@pytest.mark.parametrize("where", ["key", "password"])
def test_the_outputs_of_a_plan_say_what_the_step_ends_with(
    step: Step, docker: FakeDocker, key: str, where: str
) -> None:
    docker.plays(run=[ran(result=result("plan", stats=PLAN))], secrets=[])
    if where == "key":
        step.env["YOUTUBE_API_KEY_POOL_JSON"] = json.dumps([key])
    else:
        step.env["DATABASE_URL"] = f"postgresql://maia:{key}@127.0.0.1/maia"
    done = step.here(command="plan")
    ended = {0: "ok", 78: "config"}[done.code]
    assert (done.outputs["exit-code"], done.outputs["outcome"]) == (str(done.code), ended)
    assert done.outputs["shards"] == ("[]" if done.code else "[0,1,2]")
    assert bool(done.annotations("error")) is bool(done.code)


def test_a_plan_that_failed_by_itself_keeps_its_code(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(69, result=result("plan", "unavailable", 69))], secrets=[])
    step.env["YOUTUBE_API_KEY_POOL_JSON"] = '["["]'
    done = step.here(command="plan")
    assert (done.code, done.outputs["exit-code"], done.outputs["outcome"]) == (69, "69", "unavailable")


@pytest.mark.parametrize(
    ("environment", "reasons"),
    [
        ({POOL: '["1"]'}, ["A key of YOUTUBE_API_KEY_POOL_JSON is so short that it occurs in the output `shards`."]),
        # the runner masks each line of a secret: here `]` alone, which ends the list of shards too
        ({POOL: json.dumps(KEYS, indent=2)}, ["A line of YOUTUBE_API_KEY_POOL_JSON", "on one line"]),
        (
            {"DATABASE_URL": "postgresql://maia:42@127.0.0.1/maia", "GITHUB_RUN_ID": "9421"},
            ["The password of DATABASE_URL", "output `run`"],
        ),
    ],
    ids=["a key", "a pool over several lines", "a password in the run's id"],
)
def test_a_secret_that_empties_an_essential_output_fails_the_plan_and_says_why(
    step: Step, docker: FakeDocker, environment: dict[str, str], reasons: list[str]
) -> None:
    docker.plays(run=[ran(result=result("plan", stats=PLAN))], secrets=[])
    step.env |= environment
    done = step.here(command="plan")
    assert done.code == 78
    assert any("no shard can start" in text for text in done.annotations("error"))
    assert done.summary.startswith("### Maia plan: failed\n\n**Maia: a secret empties an output**\n")
    for reason in reasons:
        assert any(reason in text for text in done.annotations("error"))
        assert reason in done.summary


def test_in_a_shard_a_dropped_output_is_a_warning_only(step: Step, docker: FakeDocker) -> None:
    docker.plays(secrets=[])
    step.env["YOUTUBE_API_KEY_POOL_JSON"] = '["0"]'
    done = step.here()
    assert done.code == 0
    assert done.annotations("error") == []
    assert any("`exit-code`" in text for text in done.annotations("warning"))
