"""The report's table of users who lost their connection, for runs in which any did."""

from collections.abc import Sequence

from chunk7.analysis.report.table import Column, Table, numeric, worded
from chunk7.analysis.results import Result

_COLUMNS = (
    ("users cut", "whose connection the server, the network or a fault of the plan ended"),
    ("returns", "times that a user came back and got a history"),
    ("never back", "times that a user's visit was over first"),
    ("away p50, ms", "from the loss of the connection to the history, of those who came back"),
    ("away max, ms", "the longest of these"),
    ("published meanwhile", "chunks of their sessions while they were away"),
    ("got later", "those of them that they had by the end of their visit"),
    ("lost", "those of them that never came"),
    ("undetermined", "those of them of which nobody can know"),
)


def returns_table(results: Sequence[Result]) -> Table | None:
    """A row a cell in which a user was cut; None if there is none."""
    rows = [
        [
            worded(result.connect, f"x {result.write}"),
            *(numeric(cut.get(name)) for name in ("users_cut", "returns", "never_back")),
            *(numeric(cut.get(f"away_ms_{name}")) for name in ("median", "max")),
            *(numeric(cut.get(f"chunks_away{end}")) for end in ("", "_got", "_lost")),
            numeric(cut.get("chunks_away_undetermined")),
        ]
        for result in results
        if (cut := result.returns)
    ]
    if not rows:
        return None
    columns = [Column("cell", numeric=False), *(Column(*column) for column in _COLUMNS)]
    return Table("Users who lost their connection", columns, rows)
