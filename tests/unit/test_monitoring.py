"""The dashboard and the alert rules: their form, and that they use nothing that Maia does not export."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
import yaml

from maia.metrics.catalogue import DATABASE, PROCESS, Kind

from ..support import monitoring_files as files

pytestmark = pytest.mark.skipif(not files.FOLDER.is_dir(), reason="there is no monitoring/ beside these tests")

METRICS = {**DATABASE, **PROCESS}
EXPORTED = {series for metric in METRICS.values() for series in metric.series}
LABELS = {label for metric in METRICS.values() for label in metric.labels}
UNITS = {"s": "_seconds", "percentunit": "", "short": "", "reqps": "", "cps": ""}


def used(expression: str) -> set[str]:
    return set(re.findall(r"\bmaia_\w+", expression))


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_a_metric_follows_the_conventions(metric: object) -> None:
    assert isinstance(metric, type(METRICS["maia_queries"]))
    assert re.fullmatch(r"maia_[a-z_]+[a-z]", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    if metric.kind is Kind.HISTOGRAM:
        assert metric.name.endswith("_duration_seconds")
        assert list(metric.buckets) == sorted(set(metric.buckets))
    bounded = {"agent", "bucket", "method", "outcome", "ring", "stage", "status", "table", "version", "zone"}
    assert set(metric.labels) <= bounded, "no run, video, query or key"
    assert metric.meaning[0].isupper()
    assert not metric.meaning.endswith(".")


def test_dashboard_and_rules_use_only_what_is_exported_and_the_dashboard_shows_all_of_it() -> None:
    shown = {name for _, expression in files.expressions() for name in used(expression)}
    watched = {name for rule in files.alerts() for name in used(rule["expr"])}
    assert shown | watched <= EXPORTED
    roots = {re.sub("_(bucket|sum|count)$", "", name) if name not in METRICS else name for name in shown}
    not_shown = {"maia_build_info", "maia_exported_timestamp_seconds", "maia_unarchived_videos", "maia_runs_total"}
    assert METRICS.keys() - roots == not_shown
    for _, expression in files.expressions():
        matchers = re.findall(r"(\w+)\s*(?:=~|!=|!~|=)\s*\"", expression)
        groups = re.findall(r"by \(([^)]*)\)", expression)
        assert {*matchers, *(name.strip() for group in groups for name in group.split(","))} <= LABELS | {"le"}


def test_the_dashboard_can_be_imported_and_read() -> None:
    dashboard = files.dashboard()
    assert (dashboard["id"], dashboard["uid"]) == (None, "maia-overview")
    variables = {variable["name"]: variable["type"] for variable in dashboard["templating"]["list"]}
    assert variables == {"datasource": "datasource", "agent": "custom"}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(place["w"] > 0 < place["h"] and 0 <= place["x"] <= 24 - place["w"] for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
    titles = [panel["title"] for panel in files.panels()]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("panel", files.panels() if files.FOLDER.is_dir() else [], ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows(panel: dict[str, object]) -> None:
    source = {"type": "prometheus", "uid": "${datasource}"}
    targets = panel["targets"]
    assert isinstance(targets, list)
    assert panel["datasource"] == source
    assert all(target["datasource"] == source for target in targets)
    assert len({target["refId"] for target in targets}) == len(targets)
    assert str(panel["description"]).endswith(".")
    config = panel["fieldConfig"]
    assert isinstance(config, dict)
    unit = config["defaults"]["unit"]
    assert unit in UNITS
    if unit == "s":
        assert all("seconds" in target["expr"] for target in targets)
    if "breakout" in " ".join(target["expr"] for target in targets):
        assert unit == "short"


def test_each_alert_says_what_to_do_and_has_a_test_of_both_sides() -> None:
    checks = [
        check for test in yaml.safe_load(files.TESTS.read_text(encoding="utf-8"))["tests"]
        for check in test["alert_rule_test"]
    ]  # fmt: skip
    fires = {check["alertname"] for check in checks if check.get("exp_alerts")}
    for rule in files.alerts():
        assert rule["alert"].startswith("Maia")
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert "for" in rule
        assert rule["alert"] in fires
    assert not any("breakouts" in rule["expr"] for rule in files.alerts()), "that nothing breaks out is no fault"


def test_the_document_lists_the_alerts() -> None:
    page = (files.FOLDER.parent / "docs" / "metrics.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(Maia\w+)` \| (\w+) \|", page, re.MULTILINE)
    assert listed == [(rule["alert"], rule["labels"]["severity"]) for rule in files.alerts()]
