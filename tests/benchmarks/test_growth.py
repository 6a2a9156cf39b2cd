"""Rows of benchmarks/growth.py: sizes in turn, and the median of the largest."""

from pathlib import Path

from benchmarks import exponents
from benchmarks.growth import SESSIONS, Series, all_series, load, measure
from benchmarks.rows import read, write


def test_sizes_take_turns_and_the_row_is_the_largest(tmp_path: Path) -> None:
    asked: list[int] = []

    def cost(size: int) -> dict[str, float]:
        asked.append(size)
        return {"s": size * len(asked), "MiB": 40.0}

    cpu, memory = measure(Series("a part", "clients", (1, 2, 4), cost), rounds=2)
    assert asked == [1, 2, 4, 1, 2, 4]
    assert cpu.points == [(1, 1), (2, 4), (4, 12), (1, 4), (2, 10), (4, 24)]
    assert (cpu.what, cpu.chunk7) == ("a part: CPU by clients", 18)
    assert (memory.what, memory.unit) == ("a part: memory by clients", "MiB")
    write(tmp_path / "rows.json", [cpu, memory])
    assert read(tmp_path / "rows.json").rows == [cpu, memory]


def test_each_grows_tenfold_or_to_eight_nodes_and_receipts_to_a_hundred_million() -> None:
    of = {(one.part, one.by): one.sizes for one in all_series(Path(), short=False)}
    nodes, receipts = of.pop(("nodes, store, nginx", "nodes")), of.pop(("judging", "receipts"))
    assert (nodes[0], nodes[-1]) == (1, 8)
    assert (receipts[0], receipts[-1]) == (10**5, 10**8)
    assert all(sizes[-1] == 10 * sizes[0] for sizes in of.values())
    assert all(len(sizes) > exponents.LARGEST for sizes in of.values())


def test_without_the_long_ones_ten_million_receipts_are_the_most() -> None:
    [judged] = [one for one in all_series(Path(), short=True) if one.part == "judging"]
    assert judged.sizes[-1] == 10**7


def test_each_session_has_clients_at_each_of_eight_nodes() -> None:
    of = load(40 * SESSIONS, 200, SESSIONS)
    places = {(client % of.sessions, client % 8) for client in range(of.clients)}
    assert len(places) == 8 * of.sessions
