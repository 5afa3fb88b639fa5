"""Rows that are written as they are measured, so that a run that was cut short goes on where it ended."""

from pathlib import Path

from benchmarks.rows import Row, append_rows, read_rows

# What a run and its resumption share, of the rows that tell it.
SAME = ("commit", "machine", "versions", "archive_sha256")


class Results:
    """The rows of one run: in the file of the rounds, and in the one of the grids beside it."""

    def __init__(self, path: Path, common: Row, resume: bool) -> None:
        self.files = {"round": path, "grid": path.with_name(f"{path.stem}-grid{path.suffix}")}
        self.common = dict(common)
        if resume:
            self.common["run"] = self.find_last_run()

    def find_last_run(self) -> str:
        """The last run in the files. Raises ValueError where it was made of something else, or there is none."""
        rows = [row for kind in self.files for row in self.read(kind)]
        if not rows:
            raise ValueError("there is no run to be resumed")
        last = max(row["run"] for row in rows)
        for row in (row for row in rows if row["run"] == last):
            for name in SAME:
                if row[name] not in ("", str(self.common[name])):
                    raise ValueError(f"the last run had another {name}, {row[name]}: it cannot be resumed")
        return last

    def read(self, kind: str) -> list[dict[str, str]]:
        """Every row of a file, of all runs."""
        return read_rows(self.files[kind]) if self.files[kind].exists() else []

    def of_this_run(self, kind: str, server: str | None = None) -> list[dict[str, str]]:
        """The rows of a file, of one server if it is named."""
        rows = [row for row in self.read(kind) if row["run"] == self.common["run"]]
        return [row for row in rows if server in (None, row["server"])]

    def add(self, kind: str, row: Row) -> None:
        append_rows(self.files[kind], [self.common | row])
