"""Every member of every secret is hidden before anything is printed, and the matrix survives what that does."""

from __future__ import annotations

import io
import json

import pytest

from action.masks import Masks
from action.runner import Runner

from ...support.action_step import DSN, KEYS, Done, FakeDocker, Step, ran, result

POOL = "YOUTUBE_API_KEY_POOL_JSON"
NOT_JSON = '{"hunting": [\n "key-hunting-1",\n}'


def printed(environ: dict[str, str], *, warn: bool = False) -> Done:
    runner, masks = Runner({"GITHUB_ACTIONS": "true"}, out := io.BytesIO()), Masks(environ)
    if warn:
        masks.warn(runner, environ)
    else:
        masks.announce(runner)
    return Done(0, out.getvalue().decode(), {}, "")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (POOL, '{"hunting": ["key-hunting-1", "key-hunting-2"], "tracking": ["key-tracking-1"]}', KEYS),
        (POOL, '\'["key-hunting-1", "key-hunting-2", "key-tracking-1"]\'', KEYS),
        (POOL, json.dumps({"hunting": KEYS[:2], "t": KEYS[2:]}, indent=2) + "\n", KEYS),
        (POOL, '[["key-hunting-1"], {"a": {"b": ["key-hunting-2", "key-tracking-1"]}}]', KEYS),
        (POOL, "[1234567890, null, true]", ["1234567890"]),
        (POOL, '["Zq", "Xw", "long-enough-key"]', ["Zq", "Xw", "long-enough-key"]),
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
    assert list(dict.fromkeys(printed({name: value}).masks)) == expected


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
    masks = printed({name: url}).masks
    assert set(passwords) <= set(masks)
    assert passwords or masks == []


def test_a_warning_of_short_values_does_not_show_them() -> None:
    (warning,) = printed({POOL: '["Zq", "Xw", "long-enough-key"]'}, warn=True).annotations("warning")
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
PLANNED = {"DATABASE_URL": "postgresql://u:short@db/maia", POOL: '["k"]'}
ALL = PLANNED | {"HF_TOKEN": "hf_1"}


@pytest.mark.parametrize(
    ("steps", "given", "expected"),
    [
        pytest.param(WORKFLOW, [PLANNED] * 9, 2, id="workflow"),
        pytest.param(WORKFLOW, [PLANNED, *[ALL] * 4, PLANNED, *[ALL] * 2, PLANNED], 3, id="with a token of the shards"),
        pytest.param(WORKFLOW, [ALL] * 9, 3, id="all in all jobs"),
        pytest.param([step_of("hunter")], [ALL], 3, id="one shard"),
        pytest.param([step_of("tracker", shard=f"{i}/3") for i in range(3)], [ALL] * 3, 3, id="a matrix"),
        pytest.param([step_of("janitor")], [ALL], 3, id="janitor"),
        pytest.param([{}], [PLANNED], 2, id="by hand"),
    ],
)
def test_a_short_secret_is_warned_of_once_in_a_run(
    steps: list[dict[str, str]], given: list[dict[str, str]], expected: int
) -> None:
    environs = [env | inputs for env, inputs in zip(given, steps, strict=True)]
    warnings = [text for environ in environs for text in printed(environ, warn=True).annotations("warning")]
    assert len(warnings) == len(set(warnings)) == expected


def test_masks_come_before_all_other_output(step: Step) -> None:
    step.env |= {"HF_TOKEN": "hf_0123456789", "MAIA_INPUT_COMMAND": "foo"}
    log = step.here().log.splitlines()
    count = len(KEYS) + 2
    assert all(line.startswith("::add-mask::") for line in log[:count])
    assert not any(line.startswith("::add-mask::") for line in log[count:])
    assert not any(secret in line for line in log[count:] for secret in [*KEYS, "hf_0123456789"])


def job_outputs(outputs: dict[str, str], masks: list[str], secrets: list[str]) -> dict[str, str]:
    """What is left of a job's outputs (runner: JobExtension, Worker.InitializeSecretMasker)."""
    hidden = {mask for mask in masks if mask.strip()}
    for secret in secrets:
        hidden |= {secret.strip(), *(line.strip() for line in secret.strip().splitlines())} - {""}
    return {name: value for name, value in outputs.items() if value and not any(mask in value for mask in hidden)}


PLAN = {"agent": "hunter", "shards": 3, "wave": 1, "due": 120, "calls_left": {"search": 230}, "reason": "work is due"}


@pytest.fixture
def plan(step: Step, docker: FakeDocker) -> Step:
    docker.plays(run=[ran(result=result("plan", stats=PLAN))], secrets=[])
    step.env["MAIA_INPUT_COMMAND"] = "plan"
    return step


@pytest.mark.parametrize("key", ["k", "o", "hunter", "t", "shards"])
def test_a_password_hunter_and_a_one_letter_key_leave_the_matrix(plan: Step, key: str) -> None:
    plan.env[POOL] = pool = json.dumps([key])
    done = plan.here()
    assert done.code == 0
    assert {"hunter", key} <= set(done.masks)
    left = job_outputs(done.outputs, done.masks, [DSN, pool])
    assert (left["shards"], left["run"]) == ("[0,1,2]", "4711-2")
    dropped = [text for text in done.annotations("warning") if "dropped" in text]
    assert len(dropped) == len(set(done.outputs) - set(left))
    if key == "o":
        assert "A key of YOUTUBE_API_KEY_POOL_JSON" in dropped[0]
        assert "`outcome`" in dropped[0]


@pytest.mark.parametrize(
    ("where", "key"),
    [
        *(("key", key) for key in ("0", "1", "7", "8", "78", "47", "k", "ok", "config", "[", ",", "-")),
        *(("password", key) for key in ("0", "78", "config", "[")),
    ],
)
def test_the_outputs_of_a_plan_say_what_the_step_ends_with(plan: Step, where: str, key: str) -> None:
    plan.env |= {POOL: json.dumps([key])} if where == "key" else {"DATABASE_URL": f"postgresql://maia:{key}@db/maia"}
    done = plan.here()
    ended = {0: "ok", 78: "config"}[done.code]
    assert (done.outputs["exit-code"], done.outputs["outcome"]) == (str(done.code), ended)
    assert done.outputs["shards"] == ("[]" if done.code else "[0,1,2]")
    assert bool(done.annotations("error")) is bool(done.code)


def test_a_plan_that_failed_by_itself_keeps_its_code(plan: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(69, result=result("plan", "unavailable", 69))])
    plan.env[POOL] = '["["]'
    done = plan.here()
    assert (done.code, done.outputs["exit-code"], done.outputs["outcome"]) == (69, "69", "unavailable")


@pytest.mark.parametrize(
    ("environment", "reasons"),
    [
        ({POOL: '["1"]'}, ["A key of YOUTUBE_API_KEY_POOL_JSON is so short that it occurs in the output `shards`."]),
        # the runner masks each line of a secret: here `]` alone, which ends the list of shards too
        ({POOL: json.dumps(KEYS, indent=2)}, ["A line of YOUTUBE_API_KEY_POOL_JSON", "on one line"]),
        ({"DATABASE_URL": "postgresql://maia:42@db/maia", "GITHUB_RUN_ID": "9421"},
         ["The password of DATABASE_URL", "output `run`"]),
    ],
    ids=["a key", "a pool over several lines", "a password in the run's id"],
)  # fmt: skip
def test_a_secret_that_empties_an_essential_output_fails_the_plan_and_says_why(
    plan: Step, environment: dict[str, str], reasons: list[str]
) -> None:
    plan.env |= environment
    done = plan.here()
    assert done.code == 78
    errors = "\n".join(done.annotations("error"))
    assert "no shard can start" in errors
    assert done.summary.startswith("### Maia plan: failed\n\n**Maia: an output is dropped**\n")
    assert all(reason in errors and reason in done.summary for reason in reasons)


def test_in_a_shard_a_dropped_output_is_a_warning_only(step: Step, docker: FakeDocker) -> None:
    docker.plays(secrets=[])
    step.env[POOL] = '["0"]'
    done = step.here()
    assert done.code == 0
    assert done.annotations("error") == []
    assert any("`exit-code`" in text for text in done.annotations("warning"))
