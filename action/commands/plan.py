"""`plan`: migrate and add queries if asked to, then decide how many shards to start."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from action import summary
from action.container import Containers, Ended
from action.result import PATH
from action.settings import MIGRATION, SECRETS, cleaned
from action.step import Ending, Judgement, Step, judge, numbers, warn_of_damage
from action.text import fenced
from maia.runtime.exitcodes import ExitCode, Outcome

_ESSENTIAL = frozenset({"run", "shards"})
_FINGERPRINT = re.compile(r"[0-9a-f]{12}")
_STARTS_NOTHING = {Outcome.IDLE, Outcome.QUOTA_EXHAUSTED}


def run(step: Step) -> Ending:
    """Run the plan. Raises ActionError, and Cancelled."""
    containers, seconds = step.containers()
    if step.inputs.migrate:
        migrated = _migrate(step, containers)
        step.cancel.check()
        judgement = judge(migrated)
        if not judgement.passes:
            return _failed(step, judgement, "atlas migrate")
    queries = (step.inputs.queries if step.inputs.wave == 1 else "") or None
    ended = containers.run(_command(step, queries), step.settings(), agent="plan", stdin=queries)
    step.cancel.check()
    warn_of_damage(ended, step.runner)
    judgement = judge(ended)
    if not judgement.passes:
        return _failed(step, judgement, "the plan")
    shards = judgement.stats.get("shards")
    if type(shards) is not int or not 0 <= shards <= step.inputs.max_shards:
        what = "returned no valid number of shards."
        step.runner.error("Maia: plan", f"The plan {what} Read the log above.")
        return _ending(step, ExitCode.FAILURE, Outcome.FAILURE, 0, judgement, f"It {what}")
    reason = judgement.reason
    if step.inputs.resume_keys and step.inputs.wave == 1:
        step.runner.notice("Maia: suspended keys", _resumed(judgement.stats))
    step.runner.line(f"plan: {shards} shards; time: {summary.split(seconds, ended.times)}")
    # under act the gate also runs if no shard churned: then there is nothing to report
    if judgement.outcome in _STARTS_NOTHING and (step.inputs.wave == 1 or judgement.stats.get("churned")):
        what = "No shard is started" if step.inputs.wave == 1 else "No further shard is started"
        step.runner.notice(f"Maia: {judgement.outcome}", f"{what}: {reason or judgement.outcome}")
    return _ending(step, ExitCode.OK, judgement.outcome, shards, judgement, reason)


def _resumed(stats: Mapping[str, object]) -> str:
    """Return the lifted suspensions as one line."""
    listed = stats.get("keys_resumed")
    found = [key for key in (listed if isinstance(listed, list) else []) if _FINGERPRINT.fullmatch(str(key))]
    if not found:
        return "No key of the ring was suspended."
    return f"Suspensions lifted: {', '.join(found)}. YouTube's next refusal suspends a key again."


def _migrate(step: Step, containers: Containers) -> Ended:
    settings = step.settings()
    owner = step.environ.get(MIGRATION, "")
    # no key and no token: a migration needs only the database
    given = {name: value for name, value in settings.items() if name not in SECRETS or name == "DATABASE_URL"}
    if cleaned(owner):
        given["DATABASE_URL"] = owner
    return containers.run(["atlas", "migrate"], given)


def _command(step: Step, queries: str | None) -> list[str]:
    inputs = step.inputs
    return [
        "python", "-m", "maia", "plan", inputs.agent, "--max-shards", str(inputs.max_shards),
        *(["--batch-size", str(inputs.batch_size)] if inputs.batch_size is not None else []),
        "--wave", str(inputs.wave),
        *(["--queries", "-"] if queries else []),
        *(["--resume-keys"] if inputs.resume_keys else []),
        *([] if inputs.auto_migrate else ["--no-migrate"]),
        "--result-file", PATH,
    ]  # fmt: skip


def _failed(step: Step, judgement: Judgement, what: str) -> Ending:
    judgement.annotate(step.runner, what)
    text = summary.heading(f"plan of the {step.inputs.agent}", "failed") + f"In {what}. " + summary.judged(judgement)
    outputs = _outputs(step, judgement.code, judgement.outcome, 0, judgement)
    return Ending(judgement.code, outputs, text, _ESSENTIAL)


def _ending(step: Step, code: int, outcome: Outcome, shards: int, judgement: Judgement, reason: str) -> Ending:
    count = "no shard" if not shards else "1 shard" if shards == 1 else f"{shards} shards"
    wave = f", wave {step.inputs.wave}" if step.inputs.wave > 1 else ""
    text = summary.heading(f"plan of the {step.inputs.agent}{wave}", f"{outcome}, {count}")
    if reason:
        text += fenced(reason) + "\n"
    text += summary.figure_table(judgement.stats)
    return Ending(code, _outputs(step, code, outcome, shards, judgement), text, _ESSENTIAL)


def _outputs(step: Step, code: int, outcome: Outcome, shards: int, judgement: Judgement) -> dict[str, str]:
    return {
        "shards": json.dumps(list(range(shards)), separators=(",", ":")),
        "run": step.inputs.run,
        "outcome": str(outcome),
        "exit-code": str(code),
        "stats": numbers(judgement.stats),
    }
