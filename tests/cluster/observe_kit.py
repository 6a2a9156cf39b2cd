"""What the tests of metrics share: the shipped files, and docs/metrics.md as tables."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "compose/prometheus/prometheus.yml"
RULES = ROOT / "compose/prometheus/rules.yml"
RULES_TEST = ROOT / "compose/prometheus/rules.test.yml"
DASHBOARDS = sorted((ROOT / "compose/grafana/dashboards").glob("*.json"))
PROVISIONING = ROOT / "compose/grafana/provisioning"
PAGE = ROOT / "docs/metrics.md"

SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("_count", "_sum")}
_ROW = re.compile(r"^\| `(chunk7_\w+)` \| (\w+) \|([^|]*)\|([^|]*)\|", re.MULTILINE)


@dataclass(frozen=True)
class Documented:
    """A row of docs/metrics.md."""

    name: str
    type: str
    labels: frozenset[str]
    unit: str

    @property
    def samples(self) -> set[str]:
        """The names of what is scraped."""
        return {self.name + suffix for suffix in SUFFIXES.get(self.type, ("",))}


def documented() -> dict[str, Documented]:
    """By name."""
    rows = [
        Documented(name, kind, frozenset(re.findall(r"`(\w+)`", labels)), unit.strip())
        for name, kind, labels, unit in _ROW.findall(PAGE.read_text())
    ]
    assert len({row.name for row in rows}) == len(rows)
    return {row.name: row for row in rows}


def rules() -> list[dict[str, Any]]:
    """All of them, recording and alerting."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every panel with queries, and where it is."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            if panel["type"] != "row":
                yield f"{path.name}: {panel['title']}", panel


def queries() -> list[tuple[str, str]]:
    """(where, expression) of every target of every panel."""
    return [(at, target["expr"]) for at, panel in panels() for target in panel["targets"]]


def names_in(expression: str) -> set[str]:
    """Metrics that an expression asks for, without what a rule has recorded."""
    return set(re.findall(r"(?<![\w:])(chunk7_\w+)(?![\w:])", expression))


def tool(name: str) -> str:
    """The path of a program of Prometheus's; skips the test without it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} on PATH: Debian's package is `prometheus`")
    return found
