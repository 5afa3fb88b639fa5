"""No figure in the docs is typed: all of them come again from the committed rows."""

from pathlib import Path

from benchmarks.ab import parse_ab
from benchmarks.report import write_report
from tests.conftest import ROOT

AB = """\
Failed requests:        2
Non-2xx responses:      3
Requests per second:    90.24 [#/sec] (mean)
  50%    537
  95%    640
  99%    673
"""


def test_the_docs_hold_what_the_rows_say(tmp_path: Path) -> None:
    readme, performance = tmp_path / "README.md", tmp_path / "performance.md"
    rows = tmp_path / "benchmarks/results/resnet18-ab.csv"
    rows.parent.mkdir(parents=True)
    rows.write_text((ROOT / "benchmarks/results/resnet18-ab.csv").read_text())
    readme.write_text((ROOT / "README.md").read_text())
    write_report(rows, performance, readme)
    assert performance.read_text() == (ROOT / "docs/performance.md").read_text()
    assert readme.read_text() == (ROOT / "README.md").read_text()


def test_ab_is_read_with_its_failures() -> None:
    result = parse_ab(AB)
    assert (result.requests_per_s, result.p50_ms, result.p95_ms, result.p99_ms) == (90.24, 537, 640, 673)
    assert result.failed == 5
