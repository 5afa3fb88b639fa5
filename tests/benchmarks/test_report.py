"""The pages say what the rows say: ratios within one run, aims as they were set, nothing of what was not measured."""

from pathlib import Path

import pytest

from benchmarks.latency import HANDLER_ALONE
from benchmarks.limit import WAYS
from benchmarks.loops import ALONE, AS_FAST_AS_IT_GOES, OPEN
from benchmarks.report import quick_figures, write_reports
from benchmarks.report.aims import AIMS, make_aims_table
from benchmarks.report.files import PICTURES
from benchmarks.report.findings import (
    find_best_peer,
    find_cost_alone,
    find_p99_at_half,
    find_share_of_limit,
    find_spread,
    find_sum_together,
    tell_latency,
)
from benchmarks.report.runs import complete, newest, read_runs, served_variant
from benchmarks.rows import Row, append_rows
from benchmarks.tuner import BESIDE_GRID, CHOSEN
from tests.conftest import ROOT

RUN = {"run": "2026-01-01T00:00:00Z", "commit": "abc", "machine": "this one, 2 cores", "versions": "python 3.11"}
FIGURES = {"requests_per_s": 100, "p50_ms": 10, "p95_ms": 20, "p99_ms": 30, "failed": 0, "cpu_ms_per_request": 9}
MEMORY = {"worker_rss_mb": 100, "pss_mb": 400}
INT8 = {"model": "resnet18", "variant": "int8", "runtime": "openvino", "quality": "accuracy 0.82", "quality_drop": 0}


def row(**values: object) -> Row:
    head = {**RUN, **INT8, "round": 1, "workload": "", "server": "marina", "settings": "2 x 1 threads", "clients": 50}
    return {**head, **FIGURES, **MEMORY, **values}


def texts(*rows: Row) -> list[dict[str, str]]:
    """As they come out of a file."""
    return [{name: str(value) for name, value in each.items()} for each in rows]


TORCHSERVE = row(
    server="torchserve image_classifier",
    settings="torchscript, 1 x 2 threads",
    variant="float32",
    runtime="torchscript",
    requests_per_s=20,
)
IN_PROCESS = row(server="in process", workload=WAYS["handler"], requests_per_s=110)
FILES: dict[str, list[Row]] = {
    "resnet18-ab.csv": [row(), TORCHSERVE, IN_PROCESS],
    "peers.csv": [
        row(driver="ab", server_version="", requests_per_s=106),
        row(driver="ab", server="litserve", requests_per_s=100),
        row(driver="ab", server="fastapi", requests_per_s=90),
        row(driver="locust", server_version="", requests_per_s=100),
        row(driver="locust", server="fastapi", requests_per_s=400),
        {**TORCHSERVE, "driver": "ab", "requests_per_s": 500},  # another model file
    ],
    "latency.csv": [
        row(workload=AS_FAST_AS_IT_GOES, delay_ms=1, is_default=1, settings="batches gathered for 1 ms"),
        row(workload=OPEN, delay_ms=1, is_default=1, p99_ms=55, settings="batches gathered for 1 ms"),
        row(workload=ALONE, delay_ms=1, is_default=1, p50_ms=12.5, settings="batches gathered for 1 ms"),
        row(workload=HANDLER_ALONE, delay_ms=1, is_default=1, p50_ms=8, server="in process"),
        row(workload=AS_FAST_AS_IT_GOES, delay_ms=0, is_default=0, settings="batches gathered for 100 ms"),
        row(workload=OPEN, delay_ms=0, is_default=0, p99_ms=500, settings="batches gathered for 100 ms"),
        row(workload=ALONE, delay_ms=0, is_default=0, p50_ms=110, settings="batches gathered for 100 ms"),
    ],
    "ner.csv": [
        row(model="DistilBERT-base", workload="50 short texts at once", requests_per_s=150),
        row(
            model="DistilBERT-base",
            workload="50 short texts at once",
            server="fastapi, transformers pipeline",
            settings="built once, float32",
            requests_per_s=25,
        ),
    ],
    "handwriting.csv": [
        row(
            workload="150 users, pausing 2 to 5 s",
            clients=150,
            wanted_users=150,
            sizes="224/224/260",
            requests_per_s=40,
            archive_bytes=24_900_000,
            failed=1,
        ),
        row(workload="as fast as it goes", server="onnxruntime", wanted_users=150, sizes="224/224/260"),
    ],
    "together.csv": [
        row(workload="alone"),
        row(workload="alone", model="ner", requests_per_s=1000),
        row(workload="together", requests_per_s=50),
        row(workload="together", model="ner", requests_per_s=400),
    ],
    "limit.csv": [IN_PROCESS, row(round=0, server="in process", workload=WAYS["handler"], requests_per_s=9999)],
    "tuner.csv": [
        row(workload=BESIDE_GRID, of_best=0.98, search_s=200, grid_s=1900, grid_best="int8 openvino, 3 x 1 threads"),
        row(workload=CHOSEN, settings="one", requests_per_s=100),
        row(workload=CHOSEN, settings="other", requests_per_s=90),
    ],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout without rows."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "benchmarks/results").mkdir(parents=True)
    (tmp_path / "README.md").write_text((ROOT / "README.md").read_text())
    return tmp_path


def test_figures_are_ratios_within_one_run() -> None:
    assert find_share_of_limit(texts(*FILES["resnet18-ab.csv"])) == pytest.approx(100 / 110)
    assert PICTURES.comparisons[0].ratio(texts(*FILES["resnet18-ab.csv"])) == pytest.approx(5)
    assert find_best_peer(texts(*FILES["peers.csv"])) == ("litserve", pytest.approx(1.06))
    assert find_best_peer(texts(*FILES["peers.csv"]), "locust") == ("fastapi", pytest.approx(0.25))
    assert find_p99_at_half(texts(*FILES["latency.csv"])) == 55
    assert find_cost_alone(texts(*FILES["latency.csv"])) == pytest.approx(4.5)
    assert find_sum_together(texts(*FILES["together.csv"])) == pytest.approx(0.9)
    assert find_spread(texts(*FILES["tuner.csv"])) == pytest.approx(0.1)


def test_rounds_come_to_their_median() -> None:
    rounds = [row(round=number, requests_per_s=speed) for number, speed in ((1, 90), (2, 500), (3, 110))]
    assert find_share_of_limit(texts(*rounds, IN_PROCESS)) == pytest.approx(1)


def test_a_figure_of_what_was_not_measured_is_none() -> None:
    for find in (
        find_share_of_limit,
        find_best_peer,
        find_p99_at_half,
        find_cost_alone,
        find_sum_together,
        find_spread,
    ):
        assert find(texts(row())) is None
    together_without_alone = [each for each in FILES["together.csv"] if each["workload"] == "together"]
    assert find_sum_together(texts(*together_without_alone)) is None


def test_every_aim_is_told_with_what_was_reached(root: Path) -> None:
    results = root / "benchmarks/results"
    for name, rows in FILES.items():
        append_rows(results / name, rows)
    table = make_aims_table(results)
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines()[2:]}
    assert "at least 5.5 times | 5 times | **not reached**" in table
    assert "at least 1.05 times | 1.06 times | reached" in table
    assert "at most 3 ms | 4.5 ms | **not reached**" in table
    assert "at most 0 | 1 | **not reached**" in lines["the same: failures"]
    assert "at most 25 MB | 24.9 MB | reached" in lines["the same: the archive"]
    assert "at least 6 times | 6 times | reached" in lines["DistilBERT-base int8 beside FastAPI with the pipeline"]
    assert "tuner on resnet18: of the grid's best" in lines
    assert "tuner on ner: of the grid's best" not in lines  # no run of it
    assert len(lines) < len(AIMS)

    write_reports(root)
    page = (root / "docs/performance.md").read_text()
    assert table in page
    assert "9999" not in page  # a trial is no measurement
    for title in ("Ants and bees behind each server", "Waiting for an answer: resnet18, int8 in openvino", "The tuner"):
        assert f"## {title}" in page
    assert "plots/peers.svg" in page
    readme = (root / "README.md").read_text()
    assert "under ab, beside litserve, the best peer with the same file | 1.06 times" in readme
    assert "under locust, beside fastapi, the best peer with the same file | 0.25 times" in readme


def test_without_rows_the_pages_say_nothing(root: Path) -> None:
    write_reports(root)
    assert "|" not in (root / "docs/performance.md").read_text()


@pytest.mark.parametrize("left_out", FILES)
def test_any_file_may_be_missing(root: Path, left_out: str) -> None:
    for name, rows in FILES.items():
        if name != left_out:
            append_rows(root / "benchmarks/results" / name, rows)
    write_reports(root)


def test_the_newest_run_of_each_variant_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    for run, variant in (("1", "float32"), ("2", "int8"), ("3", "float32"), ("4", "int8")):
        append_rows(path, [row(run=run, variant=variant), {**TORCHSERVE, "run": run}])
    append_rows(path, [row(run="5", variant="int8")])  # no peer beside it
    shown = newest(read_runs(path), served_variant, least_servers=2)
    assert [rows[0]["run"] for rows in shown] == ["3", "4"]


def test_rows_that_are_older_than_a_column_tell_it_elsewhere() -> None:
    old = complete({"settings": "torchscript, 1 x 2 threads", "top1_test": "0.8219"})
    assert (old["variant"], old["runtime"], old["quality"]) == ("float32", "torchscript", "top-1 0.8219")
    assert complete({"settings": "openvino, float32, 1 x 2 threads"})["runtime"] == "openvino"


def test_a_delay_that_the_server_made_another_is_told() -> None:
    told = dict(tell_latency(texts(*FILES["latency.csv"])))
    assert "delay of 1 ms" in told
    assert "delay of 0 ms, of which TorchServe made 100 ms" in told


def test_the_short_run_tells_the_first_three_figures() -> None:
    peer = row(workload="ab", server="litserve", requests_per_s=99)
    figures = quick_figures(texts(row(workload="ab"), TORCHSERVE, IN_PROCESS, peer))
    assert [each[1:] for each in figures] == [("5.5 times", "5 times"), ("0.92", "0.909"), ("1.05 times", "1.01 times")]
    alone = quick_figures(texts(row(workload="ab"), IN_PROCESS))
    assert [got for _, _, got in alone] == ["not measured", "0.909", "not measured"]
