"""The table of metrics, the alerts and the dashboard name exactly the existing metrics."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import web.composition_root

ROOT = Path(web.composition_root.__file__).resolve().parent.parent
OURS = ("rendertrust_", "process_", "python_")
NAME = re.compile(r"\b(?:rendertrust|process|python)_[a-z_]+")
# Labels that Prometheus adds, and the label of histogram buckets.
ADDED = {"job", "instance", "le"}
ENDINGS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
ROW = re.compile(r"^\| (\w+) \| (\w+) \| ([\w, ]*?) ?\| ([^|]+) \|", re.MULTILINE)


def exposed() -> dict[str, tuple[str, frozenset[str]]]:
    """Return type and labels of each metric by its name in the table."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for collector, names in vars(REGISTRY)["_collector_to_names"].items():
        declared = vars(collector).get("_labelnames")
        for family in collector.collect():
            if not family.name.startswith(OURS):
                continue
            assert family.name in names
            labels = declared or {label for sample in family.samples for label in sample.labels}
            name = family.name + ("_total" if family.type == "counter" else "")
            found[name] = family.type, frozenset(labels) - {"le"}
    return found


def documented() -> dict[str, tuple[str, frozenset[str]]]:
    text = (ROOT / "docs/metrics.md").read_text()
    rows = [row for row in ROW.findall(text) if row[0] != "name"]
    assert all(meaning.strip() for *_, meaning in rows)
    return {
        name: (kind, frozenset(labels.replace(" ", "").split(",")) - {""})
        for name, kind, labels, _ in rows
    }


def test_the_table_lists_exactly_our_metrics() -> None:
    """The standard metrics, ``process_`` and ``python_``, need no row."""
    ours = {name: found for name, found in exposed().items() if name.startswith("rendertrust_")}
    assert documented() == ours


def samples() -> dict[str, frozenset[str]]:
    """Return every name that an expression may use, with its labels."""
    return {
        name.removesuffix("_total") + ending if kind == "counter" else name + ending: labels
        for name, (kind, labels) in exposed().items()
        for ending in ENDINGS[kind]
    }


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())["groups"]
    return list(group["rules"])


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "deploy/grafana/overview.json").read_text())
    return found


def expressions() -> Iterator[str]:
    for rule in rules():
        yield rule["expr"]
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


@pytest.mark.parametrize("expression", [*expressions()])
def test_an_expression_names_metrics_and_labels_that_exist(expression: str) -> None:
    known = samples()
    used = set(NAME.findall(expression))
    assert used <= known.keys()
    assert used or expression.startswith("up{")
    labels = ADDED.union(*(known[name] for name in used))
    selected = {
        label
        for selector in re.findall(r"\{([^}]*)\}", expression)
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)
    }
    grouped = {
        label.strip()
        for group in re.findall(r"\b(?:by|without) \(([^)]*)\)", expression)
        for label in group.split(",")
    }
    assert selected | grouped <= labels
    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing)


def test_an_alert_has_a_severity_a_summary_and_a_place_in_the_runbook() -> None:
    runbook = (ROOT / "docs/OPERATIONS.md").read_text()
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]
        assert f"\n* **{rule['alert']}**: " in runbook, f"{rule['alert']} is not in the runbook"


def test_the_dashboard_has_places_that_do_not_overlap_and_each_metric_of_ours() -> None:
    panels = dashboard()["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}  # fmt: skip
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)
    shown = {name for expression in expressions() for name in NAME.findall(expression)}
    shown |= {re.sub("_(bucket|sum|count)$", "", name) for name in shown}
    missing = {name for name in documented() if name.startswith("rendertrust")} - shown
    assert not missing


def test_prometheus_reads_the_rules_of_the_gateway_that_they_are_about() -> None:
    found = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    assert found["rule_files"] == ["rules.yml"]
    assert [job["job_name"] for job in found["scrape_configs"]] == ["rendertrust"]
