"""Compare the outcome and outputs of a step that used the action with the expected ones.

    expect.py    with STEP, the JSON of steps.<id>, and EXPECTED, a JSON object

In EXPECTED, `step` is the step's outcome before continue-on-error, every other name an output; "" or null stands for a
missing output. In any case the output `stats` must be empty or a JSON object.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any


def text(value: Any) -> str:
    """Return a value as the string that an output has."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def actual(step: dict[str, Any]) -> dict[str, str]:
    """Return the step's outcome and its outputs."""
    return {"step": text(step.get("outcome")), **{name: text(value) for name, value in step["outputs"].items()}}


def complaints(found: dict[str, str], expected: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each difference."""
    for name, value in expected.items():
        if found.get(name, "") != text(value):
            yield f"{name} is '{found.get(name, '')}', expected was '{text(value)}'"
    stats = found.get("stats", "")
    try:
        broken = bool(stats) and not isinstance(json.loads(stats), dict)
    except ValueError:
        broken = True
    if broken:
        yield f"stats is no JSON object: {stats}"


def main() -> None:
    found = actual(json.loads(os.environ["STEP"]))
    sys.stdout.write("".join(f"{name}: {value}\n" for name, value in found.items()))
    lines = list(complaints(found, json.loads(os.environ["EXPECTED"])))
    for line in lines:
        sys.stdout.write(f"::error title=Not as expected::{line}\n")
    if lines:
        sys.exit(1)


if __name__ == "__main__":
    main()
