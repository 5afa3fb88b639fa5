"""No figure in the docs is typed: all of them come again from the committed rows."""

import shutil
from pathlib import Path

from benchmarks.ab import parse_ab
from benchmarks.load import Load, summarise
from benchmarks.report import write_reports
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
    (tmp_path / "docs").mkdir()
    shutil.copytree(ROOT / "benchmarks/results", tmp_path / "benchmarks/results")
    for page in ("README.md", "docs/servers.md"):
        shutil.copy(ROOT / page, tmp_path / page)
    write_reports(tmp_path)
    for page in ("README.md", "docs/performance.md", "docs/servers.md"):
        assert (tmp_path / page).read_text() == (ROOT / page).read_text()


def test_ab_is_read_with_its_failures() -> None:
    result = parse_ab(AB)
    assert (result.requests_per_s, result.p50_ms, result.p95_ms, result.p99_ms) == (90.24, 537, 640, 673)
    assert result.failed == 5


def test_a_run_is_told_by_its_percentiles() -> None:
    load = summarise([0.001 * number for number in range(1, 101)], 2.0, 3)
    assert load == Load(50, 50, 95, 99, 3)
