"""One figure of Marina beside the same of a peer, in one workload of a run."""

from dataclasses import dataclass

from benchmarks.report.runs import IN_PROCESS, OURS, Rows, median, short, tell_variant

UNITS = {"requests_per_s": "requests/s", "p50_ms": "ms", "p99_ms": "ms", "worker_rss_mb": "MB"}


@dataclass(frozen=True)
class Comparison:
    title: str  # with a row's columns in braces, and {told} for its variant and runtime
    column: str
    workload: str | None = None  # any
    peer: str = ""  # how its settings begin, where there are several
    ours: str = ""  # and how Marina's do

    def sides(self, rows: Rows) -> tuple[Rows, Rows]:
        """Marina's rows and the peer's; the handler in process is no peer."""
        mine = [row for row in rows if self.workload in (None, row.get("workload", ""))]
        ours = [row for row in mine if row["server"] == OURS and row["settings"].startswith(self.ours)]
        theirs = [
            row for row in mine if row["server"] not in (OURS, IN_PROCESS) and row["settings"].startswith(self.peer)
        ]
        return ours, theirs

    def is_measured(self, rows: Rows) -> bool:
        return all(self.sides(rows))

    def figures(self, rows: Rows) -> tuple[float, float]:
        ours, theirs = self.sides(rows)
        return median(ours, self.column), median(theirs, self.column)

    def ratio(self, rows: Rows) -> float:
        """How many times better Marina is; of memory, what share it takes."""
        ours, theirs = self.figures(rows)
        return ours / theirs if self.column in ("requests_per_s", "worker_rss_mb") else theirs / ours

    def tell_ratio(self, rows: Rows) -> str:
        return f"{self.ratio(rows):.0%}" if self.column == "worker_rss_mb" else f"{self.ratio(rows):.2f} times"

    def tell_title(self, rows: Rows) -> str:
        first = self.sides(rows)[0][0]
        return self.title.format(**first, told=tell_variant(first))

    def line(self, rows: Rows) -> str:
        """A line of the README's table."""
        ours, theirs = (f"{short(figure)} {UNITS[self.column]}" for figure in self.figures(rows))
        return f"| {self.tell_title(rows)} | {ours} | {theirs} | **{self.tell_ratio(rows)}** |"
