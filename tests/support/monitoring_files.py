"""What the files in monitoring/ say: the dashboard's panels and expressions, and the alert rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent.parent.parent / "monitoring"
DASHBOARD = FOLDER / "grafana-dashboard.json"
RULES = FOLDER / "alerts.yml"
TESTS = FOLDER / "alerts.test.yml"

_VARIABLES = {"$__rate_interval": "5m", "$agent": ".*"}
"""What Grafana puts in for the variables in expressions."""


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return found


def panels() -> list[dict[str, Any]]:
    """The panels that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """The title of the panel and the expression as Prometheus gets it, for each query of the dashboard."""
    for panel in panels():
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in _VARIABLES.items():
                expression = expression.replace(name, value)
            yield panel["title"], expression


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]
