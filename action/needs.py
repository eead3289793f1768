"""Parse the `needs` context of the verdict's job: how the plan and both waves of shards ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from action.errors import UsageError
from action.text import one_line

WAVES = ("shards", "wave-2")
"""The jobs of maia.yml that run shards, in order."""


@dataclass(frozen=True)
class Needs:
    """Results of jobs, by name."""

    failed: tuple[str, ...]  # including jobs with an unknown result
    cancelled: tuple[str, ...]  # by a person or their time limit
    ran: tuple[str, ...]  # the waves that were not skipped
    churned: bool  # whether the last of them had a shard that churned

    @property
    def continued(self) -> bool:
        """Whether the further wave ran."""
        return WAVES[-1] in self.ran

    @classmethod
    def parse(cls, text: str) -> Needs:
        """Read toJSON(needs). Raises UsageError."""
        wrong = UsageError("The input `needs` must be `${{ toJSON(needs) }}` of a job that needs the others.")
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise wrong from None
        if not isinstance(found, dict) or not found or not all(isinstance(job, dict) for job in found.values()):
            raise wrong
        jobs = {one_line(name, 100): job for name, job in found.items()}
        results = {name: job.get("result") for name, job in jobs.items()}
        ran = tuple(name for name in WAVES if results.get(name, "skipped") != "skipped")
        outputs = jobs[ran[-1]].get("outputs") if ran else None
        return cls(
            failed=tuple(name for name, end in results.items() if end not in ("success", "cancelled", "skipped")),
            cancelled=tuple(name for name, end in results.items() if end == "cancelled"),
            ran=ran,
            # maia.yml turns the action's "true" into "+": the runner drops a job output that contains a masked value,
            # and a key may be a letter such as "t"
            churned=isinstance(outputs, Mapping) and outputs.get("churned") in ("true", "+"),
        )
