"""The guide and the alarms tell of the metrics that there are, and of no others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.metrics import TABLE, Described, Kind

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/guide/metrics.md").read_text(encoding="utf-8")
RULES: list[dict[str, Any]] = yaml.safe_load(
    (ROOT / "infra/deploy/prometheus/alerts.yml").read_text(encoding="utf-8")
)["groups"][0]["rules"]
ALARMS = {
    "LagGrows",
    "OutboxStuck",
    "JobsStuck",
    "NoWorkers",
    "OpenHolds",
    "DeadLettersArrive",
    "ConsumerHalted",
    "LeaseLossesHigh",
    "ReconcilerFinds",
    "DiskOrServerAway",
    "JudgeBehind",
    "LedgerUnsound",
}
EVERY_RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])


def row(metric: Described) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.process} | {metric.meaning} |"


def sampled(metric: Described) -> set[str]:
    """The names under which Prometheus knows a metric."""
    if metric.kind is Kind.HISTOGRAM:
        return {f"{metric.name}_{part}" for part in ("bucket", "sum", "count")}
    return {metric.name}


def expression(rule: dict[str, Any]) -> str:
    return " ".join(rule["expr"].split())


def test_the_guide_shows_every_metric_as_it_is_and_no_other() -> None:
    shown = [line for line in GUIDE.splitlines() if line.startswith("| `picmend_")]

    assert shown == [row(metric) for metric in TABLE]


@pytest.mark.parametrize("metric", TABLE, ids=lambda metric: metric.name)
def test_names_are_as_prometheus_wants_them(metric: Described) -> None:
    assert re.fullmatch(r"picmend_[a-z]+(_[a-z]+)*", metric.name)
    assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
    assert metric.kind is not Kind.HISTOGRAM or metric.name.endswith(("_seconds", "_messages"))
    assert metric.meaning.endswith(".")
    assert not set(metric.labels) & {"account", "job", "key", "worker", "le", "instance"}


def test_the_alarms_are_those_of_the_runbook_each_shown_in_the_guide() -> None:
    assert {rule["alert"] for rule in RULES} == ALARMS
    for rule in RULES:
        name = rule["alert"]
        shown = f"| [{name}](../reliability.md#{name.lower()}) | `{expression(rule)}` |"
        assert f"{shown} {rule.get('for', '-')} |" in GUIDE


@EVERY_RULE
def test_an_alarm_asks_for_metrics_and_labels_that_there_are(rule: dict[str, Any]) -> None:
    known = {name: metric for metric in TABLE for name in sampled(metric)}
    asked = re.findall(
        r"\b(picmend_\w+)(?:\{([^}]*)\})?", expression(rule).replace('"picmend', '"')
    )

    assert asked
    for name, matchers in asked:
        assert name in known
        assert set(re.findall(r"(\w+)=", matchers)) <= set(known[name].labels)
    grouped = {
        label.strip()
        for labels in re.findall(r"by \(([^)]*)\)", expression(rule))
        for label in labels.split(",")
    }
    assert grouped <= {label for name, _ in asked for label in known[name].labels}


@EVERY_RULE
def test_an_alarm_says_what_is_wrong_and_where_to_read_on(rule: dict[str, Any]) -> None:
    notes, text = rule["annotations"], expression(rule)

    assert notes["runbook"] == f"docs/reliability.md#{rule['alert'].lower()}"
    assert rule["labels"]["severity"] in ("warning", "critical")
    told = set(re.findall(r"\$labels\.(\w+)", notes["summary"]))
    assert all(re.search(rf"by \([^)]*\b{label}\b", text) for label in told)
    assert [text.count(pair) for pair in "([{"] == [text.count(pair) for pair in ")]}"]
