"""`hunter`, `tracker`: run one shard. `janitor`: run the Janitor."""

from __future__ import annotations

from collections.abc import Mapping

from action import summary
from action.errors import SettingError
from action.inputs import JANITOR
from action.result import PATH
from action.settings import cleaned
from action.step import Ending, Judgement, Step, judge, numbers, warn_of_damage
from action.verdicts import verdict_of
from maia.runtime.exitcodes import Outcome


def run(step: Step) -> Ending:
    """Run the container. Raises ActionError, and Cancelled if the cancel came before it started."""
    inputs = step.inputs
    what = f"{inputs.agent} {inputs.shard}"
    settings = step.settings()
    _check_vault(settings)
    containers, seconds = step.containers()
    ended = containers.run(_command(step), settings, agent=inputs.agent)
    warn_of_damage(ended, step.runner)
    signum = step.cancel.signum
    if signum is None:
        judgement = judge(ended, fail_on_churn=inputs.fail_on_churn, janitor=inputs.command == JANITOR)
        judgement.annotate(step.runner, what)
        if inputs.dry_run and judgement.passes:
            step.runner.notice("Maia: dry run", f"{what}: {judgement.reason or 'nothing was deleted'}")
        code = ended.code
    else:
        code = 128 + signum
        judgement = _cancelled(code, judge(ended))
        step.runner.notice("Maia: cancelled", f"{what}: {judgement.detail}")
    step.runner.line(f"{what}: {judgement.outcome} (exit code {code}); time: {summary.split(seconds, ended.times)}")
    outputs = {"outcome": str(judgement.outcome), "exit-code": str(code), "stats": numbers(judgement.stats)}
    if judgement.outcome is Outcome.CHURN:
        outputs["churned"] = "true"
    note = "" if inputs.command == JANITOR else summary.archive(settings)
    text = summary.shard(what, judgement, seconds, ended.times, note, dry_run=inputs.dry_run)
    return Ending(judgement.code, outputs, text)


def _check_vault(settings: Mapping[str, str]) -> None:
    """Raise SettingError if the archive would be inside the container and be lost with it."""
    provider, url = (cleaned(settings.get(name, "")).lower() for name in ("VAULT_PROVIDER", "VAULT_URL"))
    if provider == "local" or (provider == "fsspec" and url.startswith(("file:", "local:"))):
        what = "VAULT_PROVIDER=local" if provider == "local" else "VAULT_URL names a folder: the shard"
        raise SettingError(
            f"{what} archives into the container, which is removed with all that is in it. "
            "Use `huggingface` with HF_DATASET_ID and HF_TOKEN, or `off`."
        )


def _cancelled(code: int, seen: Judgement) -> Judgement:
    """Return the judgement of a cancelled shard, however its container ended."""
    released = seen.verdict.outcome is Outcome.CANCELLED or seen.verdict.passes
    detail = f"the container ended with {seen.verdict.code}; its claims end with their leases"
    if released:
        detail = "the container ended by itself; its claims are released"
    return Judgement(verdict_of(code), Outcome.CANCELLED, code, f"{detail}.", seen.stats)


def _command(step: Step) -> list[str]:
    inputs = step.inputs
    options = {
        "--shard": inputs.shard,
        "--batch-size": inputs.batch_size,
        # agents take only one of the two; the janitor has no cycles
        "--cycles": inputs.cycles if inputs.max_minutes is None and inputs.command != JANITOR else None,
        "--max-minutes": inputs.max_minutes,
        "--result-file": PATH,
    }
    given = [word for name, value in options.items() if value is not None for word in (name, str(value))]
    flags = {"--dry-run": inputs.dry_run, "--yes": inputs.yes}
    return ["python", "-m", "maia", inputs.agent, *given, *(flag for flag, wanted in flags.items() if wanted)]
