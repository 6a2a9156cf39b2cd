"""What the conductor of faults has written down."""

from pathlib import Path

from chunk7.wire.records import read_back


def events(folder: Path) -> list[tuple[str, str]]:
    """Kind and detail of each event, in their order."""
    return [
        (row["kind"], row["detail"])
        for path in sorted(folder.glob("*.arrows"))
        for row in read_back(path).table.to_pylist()
    ]
