"""Check, as the gate job of a workflow, that every other job succeeded, and that the gate needs every other job.

    gate.py WORKFLOW    with NEEDS, the JSON of the needs context, and GITHUB_JOB, which is the gate itself

The second check makes one required status check enough: otherwise a job that is missing in `needs` could fail
unnoticed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path


def jobs(workflow: str) -> Iterator[str]:
    """Yield the ids of a workflow's jobs, found by indentation: a runner's Python may lack a YAML parser."""
    inside = False
    for line in workflow.splitlines():
        if re.match(r"[^\s#]", line):
            inside = re.match(r"jobs:\s*(#.*)?$", line) is not None
        elif inside and (found := re.match(r"  (['\"]?)([\w-]+)\1:", line)):
            yield found[2]


def complaints(ids: set[str], gate: str, results: dict[str, str]) -> Iterator[str]:
    """Yield a line for each reason to fail."""
    if gate not in ids:
        yield f"the workflow has no job '{gate}'"
    for job in sorted(ids - set(results) - {gate}):
        yield f"the gate does not need the job '{job}'"
    for job, result in sorted(results.items()):
        if result != "success":
            yield f"{job}: {result}"


def main() -> None:
    results = {job: need["result"] for job, need in json.loads(os.environ["NEEDS"]).items()}
    ids = set(jobs(Path(sys.argv[1]).read_text(encoding="utf-8")))
    found = list(complaints(ids, os.environ["GITHUB_JOB"], results))
    for line in found:
        sys.stdout.write(f"::error title=The gate fails::{line}\n")
    if found:
        sys.exit(1)
    sys.stdout.write(f"All {len(results)} jobs succeeded.\n")


if __name__ == "__main__":
    main()
