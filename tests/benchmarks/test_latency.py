"""Waiting, and many models at once, are measured on a real server."""

import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from benchmarks import together
from benchmarks.archives import unpacked
from benchmarks.latency import HANDLER_ALONE, measure_delay, write_delays
from benchmarks.latency import Plan as LatencyPlan
from benchmarks.loops import ALONE, AS_FAST_AS_IT_GOES, OPEN, measure_alone, measure_closed, threads_of
from benchmarks.report.findings import find_sum_together
from benchmarks.servers import MeasuredServer, marina
from marina.archive import build_archive
from marina.bodies import Body


@contextmanager
def answering(statuses: Iterator[int]) -> Iterator[str]:
    """The address of a server that answers with one of these statuses after another."""

    class InTurn(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(next(statuses))
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), InTurn) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def this_process() -> MeasuredServer:
    return MeasuredServer("tests", "float32, 3 x 2 threads, batches of up to 8", "", psutil.Process())


def test_the_threads_of_a_worker_are_read(this_process: MeasuredServer) -> None:
    assert threads_of(this_process) == 2
    with pytest.raises(ValueError, match="no threads"):
        threads_of(replace(this_process, settings="by itself"))


def test_a_request_alone_is_followed_by_a_pause_and_may_fail(this_process: MeasuredServer) -> None:
    with answering(iter([200, 200, 503, 200, 200])) as address:
        row = measure_alone(replace(this_process, url=address), Body(b"x"), 4, 0.05)
    assert (row["requests"], row["failed"], row["clients"]) == (4, 1, 1)
    assert float(str(row["p50_ms"])) < 50  # the pause is not part of it


def test_a_server_that_answers_nobody_is_no_figure(this_process: MeasuredServer) -> None:
    with answering(iter([503] * 100_000)) as address, pytest.raises(RuntimeError, match="503"):
        measure_closed(replace(this_process, url=address), [Body(b"x")], 2, 0.3, 0)


def test_an_archive_is_served_with_other_delays(tiny_archive: Path, tmp_path: Path) -> None:
    with unpacked(tiny_archive) as archive:
        delays = write_delays(archive, tmp_path / "delays", (0, 20, 5))
    assert delays == {"colours": 20, "colours-0ms": 0, "colours-5ms": 5}
    with zipfile.ZipFile(tmp_path / "delays/colours-5ms.mar") as file:
        assert b"maxBatchDelay: 5" in file.read("model-config.yaml")
        assert json.loads(file.read("MAR-INF/MANIFEST.json"))["model"]["modelName"] == "colours-5ms"


def test_models_are_measured_alone_and_together(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in ("colours", "names"):
        build_archive(tiny_models / model, tmp_path)
    monkeypatch.setattr(together, "STORE", tmp_path)
    plan = together.Plan(("colours", "names"), 1, seconds=0.5, together_s=0.5, warm_s=0.2, clients=4)
    rows = together.measure_together(plan)
    assert [(row["model"], row["workload"]) for row in rows] == [
        ("colours", together.ALONE),
        ("names", together.ALONE),
        ("colours", together.TOGETHER),
        ("names", together.TOGETHER),
    ]
    assert all(row["failed"] == 0 and row["variant"] == "float32" for row in rows)
    assert find_sum_together([{name: str(value) for name, value in row.items()} for row in rows])


def test_each_delay_is_measured_under_each_load(tiny_archive: Path) -> None:
    with unpacked(tiny_archive) as archive:
        sample = archive.samples[0]
        with marina(tiny_archive.parent, "colours", sample, []) as server:
            plan = LatencyPlan(closed_s=0.5, open_s=0.5, alone=3, warm_s=0.2, pause_s=0.05, clients=2)
            rows = list(measure_delay(server, archive, (sample,), plan, 1))
    assert [row["workload"] for row in rows] == [AS_FAST_AS_IT_GOES, OPEN, ALONE, HANDLER_ALONE]
    assert all(row["failed"] == 0 for row in rows)
    assert float(str(rows[1]["rate_per_s"])) == pytest.approx(float(str(rows[0]["requests_per_s"])) / 2, abs=0.01)
