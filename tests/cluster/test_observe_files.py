"""Rules and dashboards as files: consistent with each other, docs/metrics.md and promtool."""

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml
from observe_kit import (
    CONFIGURATION,
    DASHBOARDS,
    PAGE,
    PROVISIONING,
    ROOT,
    RULES,
    RULES_TEST,
    documented,
    names_in,
    panels,
    queries,
    rules,
    tool,
)

SAMPLES = {sample for metric in documented().values() for sample in metric.samples}


@pytest.mark.prometheus
@pytest.mark.parametrize(
    "words",
    [("check", "config", CONFIGURATION), ("check", "rules", RULES), ("test", "rules", RULES_TEST)],
    ids=lambda words: " ".join(map(str, words[:2])),
)
def test_promtool_finds_no_fault(words: tuple[str | Path, ...]) -> None:
    done = subprocess.run(
        [tool("promtool"), *map(str, words)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_documented_and_tried() -> None:
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert set(re.findall(r"^\| `(Chunk7\w+)` \|", PAGE.read_text(), re.MULTILINE)) == alerts
    cases = yaml.safe_load(RULES_TEST.read_text())["tests"]
    firing = {
        tried["alertname"]
        for case in cases
        for tried in case["alert_rule_test"]
        if tried["exp_alerts"]
    }
    assert firing == alerts


def test_rules_and_dashboards_ask_for_documented_metrics_only() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for at, expression in [*queries(), *((str(rule), rule["expr"]) for rule in rules())]:
        assert names_in(expression) <= SAMPLES, at
        assert set(re.findall(r"\b\w+:chunk7_\w+:\w+", expression)) <= recorded, at


def test_names_follow_prometheus_s_conventions() -> None:
    for metric in documented().values():
        assert metric.name.endswith("_total") is (metric.type == "counter"), metric.name
        if metric.unit.startswith("seconds"):
            assert metric.name.endswith("_seconds"), metric.name
        assert not re.search(r"_(ms|milliseconds|kb|percent)(_|$)", metric.name), metric.name
        assert not metric.labels & {"session", "session_id", "user", "connection", "message"}


def test_dashboards_refer_to_the_provisioned_data_source_and_to_nothing_else() -> None:
    [source] = yaml.safe_load((PROVISIONING / "datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    used = {(panel["datasource"]["type"], panel["datasource"]["uid"]) for _, panel in panels()} | {
        (target["datasource"]["type"], target["datasource"]["uid"])
        for _, panel in panels()
        for target in panel["targets"]
    }
    assert used == {(source["type"], source["uid"])}
    for path in DASHBOARDS:
        for variable in json.loads(path.read_text())["templating"]["list"]:
            assert variable["datasource"]["uid"] == source["uid"], path.name


def test_every_panel_says_what_it_shows_and_in_which_unit() -> None:
    for at, panel in panels():
        assert len(panel["description"]) > 10, at
        assert panel["type"] == "table" or panel["fieldConfig"]["defaults"]["unit"], at
        assert panel["targets"], at


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_panels_have_ids_of_their_own_and_do_not_overlap(path: Path) -> None:
    found = json.loads(path.read_text())["panels"]
    assert len({panel["id"] for panel in found}) == len(found)
    squares: Counter[tuple[int, int]] = Counter()
    for panel in found:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        squares.update(
            (at["x"] + right, at["y"] + down) for right in range(at["w"]) for down in range(at["h"])
        )
    assert max(squares.values()) == 1


def test_the_loss_rate_has_the_alert_s_line() -> None:
    [(_, panel)] = [pair for pair in panels() if pair[1]["title"] == "Loss rate"]
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    [alert] = [rule for rule in rules() if rule.get("alert") == "Chunk7LossRate"]
    assert [step["value"] for step in steps] == [None, float(alert["expr"].split(">")[1])]


def test_compose_mounts_what_is_here() -> None:
    services = yaml.safe_load((ROOT / "compose/compose.yaml").read_text())["services"]
    mounts = [*services["prometheus"]["volumes"], *services["grafana"]["volumes"]]
    for mount in mounts:
        if mount.startswith("./"):
            assert (ROOT / "compose" / mount.split(":")[0]).is_dir(), mount
