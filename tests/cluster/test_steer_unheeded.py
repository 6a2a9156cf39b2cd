"""What was asked of a steering and has no effect is told."""

from dataclasses import replace
from pathlib import Path

from steer_kit import BUG, READ, RULES

from chunk7.cluster.jobs.steer import SteerSettings, unheeded
from chunk7.instruments.steer.forcing import Patience
from chunk7.instruments.steer.learning import LearnedJoin
from chunk7.instruments.steer.rules import Role, Rules, parse_rule
from chunk7.loadtest.targets.adapter import read_adapter

SEEN = LearnedJoin(BUG, (), (), None, Patience())


def settings(folder: Path, rules: Rules, *faults: str) -> SteerSettings:
    file = folder / "relay.yaml"
    file.write_text(
        "name: relay\nurl: ws://127.0.0.1:1/{session_id}\nframes: [{is: chunk, index: index}]\n"
        "produce: {write: [atomic_lua]}\n"
    )
    return SteerSettings(read_adapter(file), None, None, rules, faults=faults)


def test_a_rule_that_fits_no_command_is_named(tmp_path: Path) -> None:
    """A slip of the pen, `{sid}` for `{session_id}`, was left out without a word."""
    slip = parse_rule("--read", Role.READ, "LRANGE chat:{sid}:history")
    assert list(unheeded(settings(tmp_path, RULES.plus([slip])), SEEN)) == [
        "--read 'LRANGE chat:{sid}:history': no command of an ordinary join was this"
    ]


def test_a_fault_that_can_strike_nothing_is_named(tmp_path: Path) -> None:
    asked = settings(tmp_path, Rules(), "stale_read", "store_kill_pubsub")
    assert list(unheeded(asked, SEEN)) == []
    assert list(unheeded(asked, replace(SEEN, system=replace(BUG, join=(READ,))))) == [
        "--faults store_kill_pubsub: has no moment in a join that is read"
    ]
