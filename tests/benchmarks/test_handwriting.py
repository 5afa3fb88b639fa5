"""The measurements of the handwriting ensemble do what they say; how fast anything is, no test asks."""

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from benchmarks import handwriting, users
from benchmarks.handwriting import Build, Plan, measure_handwriting, served_as
from benchmarks.report import write_reports
from benchmarks.report.files import HANDWRITING
from benchmarks.report.findings import most_carried, tell_carried
from benchmarks.rows import append_rows
from benchmarks.servers import MeasuredServer, pss_bytes
from marina.archive import build_archive
from tests.conftest import ROOT
from tests.tiny import write_tiny_handwriting

needs_two_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the server has a core of its own")


@pytest.fixture
def this_process() -> MeasuredServer:
    return MeasuredServer("tests", "", "", psutil.Process())


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second where a measurement takes many."""
    for name in ("RAMP_S", "WARM_UP_S"):
        monkeypatch.setattr(users, name, 1)
    for name in ("STEP_S", "CLOSED_LOOP_S"):
        monkeypatch.setattr(handwriting, name, 2)


@contextmanager
def answering(*bodies: bytes) -> Iterator[str]:
    """The address of a server that answers everything, with one of these bodies after another."""
    turn = itertools.cycle(bodies)

    class Always(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = next(turn)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Always) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_requests_are_read_with_what_was_wrong(tmp_path: Path) -> None:
    (tmp_path / "requests").write_text("1700000000.5 250.000 \n1700000001.25 20000.125 status 503\n")
    first, second = users.read_requests(tmp_path / "requests")
    assert (first.began, first.took_s, first.fault) == (1_700_000_000.5, 0.25, "")
    assert second.fault == "status 503"


def test_memory_that_is_shared_counts_once(this_process: MeasuredServer) -> None:
    assert 0 < pss_bytes(os.getpid()) <= psutil.Process().memory_info().rss
    assert pss_bytes(2**22 + 1) == 0
    assert this_process.peak_pss_mb(0) > 1


def test_a_server_that_may_leave_its_core_is_not_measured(this_process: MeasuredServer) -> None:
    this_process.check_cores(os.sched_getaffinity(0))
    with pytest.raises(RuntimeError, match="may leave the cores"):
        this_process.check_cores({4095})


def test_without_a_variant_the_shipped_model_s_own_is_measured() -> None:
    config = "handler:\n  runtime: openvino\narchive:\n  variant: int8\n"
    assert served_as(config) == ("int8", "openvino")
    assert served_as("handler:\n  task: handwriting\n") == ("float32", None)


@pytest.mark.parametrize(
    ("rows", "most"),
    [
        ([("75", "900", "0"), ("100", "999", "0"), ("105", "1000", "0")], 100),
        ([("75", "400", "0"), ("100", "1500", "0"), ("110", "900", "0")], 75),  # luck above the limit is none
        ([("75", "400", "1"), ("40", "300", "0")], 40),
        ([("75", "400", "0"), ("75", "1400", "0")], 0),
    ],
)
def test_users_are_carried_below_the_first_number_that_is_not(rows: list[tuple[str, str, str]], most: int) -> None:
    assert most_carried([dict(zip(("clients", "p99_ms", "failed"), row, strict=True)) for row in rows]) == most


@pytest.mark.usefixtures("hurried")
def test_a_wrong_answer_is_a_failure(this_process: MeasuredServer, tmp_path: Path) -> None:
    (tmp_path / "picture.jpg").write_bytes(b"a picture")
    with answering(b"{}", b"[1]", b"no JSON", b"") as address:
        row = users.measure_users(this_process, address, "handwriting", 8, 4, tmp_path)
    assert row["failed"] == row["requests"] != 0
    assert not [child for child in psutil.Process().children() if "locust" in child.name()]


@needs_two_cores
@pytest.mark.usefixtures("hurried")
def test_the_whole_measurement_from_an_archive_to_the_pages(tmp_path: Path) -> None:
    cores = os.sched_getaffinity(0)
    write_tiny_handwriting(tmp_path / "strokes")
    config = tmp_path / "strokes/model-config.yaml"
    config.write_text(config.read_text().replace("route: strokes", "route: inference"))
    archive, _ = build_archive(tmp_path / "strokes", tmp_path)
    rows = measure_handwriting(1, [], Build(archive), Plan(users=2, seconds=6, most_users=7))
    assert os.sched_getaffinity(0) == cores
    assert [row["clients"] for row in rows] == [2, 1, 1, 50, 7]
    assert all(row["requests"] and row["failed"] == 0 for row in rows)
    assert rows[0]["archive_bytes"] == archive.stat().st_size
    assert "1 x 1 threads" in str(rows[0]["settings"])

    (tmp_path / "docs").mkdir()
    (tmp_path / "benchmarks/results").mkdir(parents=True)
    (tmp_path / "README.md").write_text((ROOT / "README.md").read_text())
    results = tmp_path / "benchmarks/results/handwriting.csv"
    append_rows(results, rows)
    write_reports(tmp_path)
    for _, figures in tell_carried(HANDWRITING.read(results.parent)[-1]):
        assert figures in (tmp_path / "README.md").read_text()
        assert figures in (tmp_path / "docs/performance.md").read_text()
