"""Inputs that take too much time or memory cost their neighbours nothing, and the worker lives; on each server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from marina.archive import build_archive
from tests.places import InProcess, Place
from tests.servers import RunningServer, start_server
from tests.tiny import write_tiny_model

# A task on texts of a few words, of which one kind takes its time and the other gigabytes.
TASK = """
import time
from handlers.base import Handler

class Costly(Handler):
    def load(self, load_file):
        pass

    def preprocess(self, payload):
        text = payload.read_text("text", 1000, 1000, 1)
        self.take("preprocess", text)
        return text

    def inference(self, inputs):
        for text in inputs:
            self.take("inference", text)
        return list(inputs)

    def postprocess(self, output, request):
        self.take("postprocess", output)
        return output

    def take(self, step, text):
        if text.startswith(step + " slow"):
            time.sleep(0.4)
        if text.startswith(step + " large"):
            bytearray(10 ** 10)

    def example(self):
        return EXAMPLE
"""
CONFIG = """\
minWorkers: 1
maxWorkers: 1
batchSize: 16
maxBatchDelay: 200
responseTimeout: 4
startupTimeout: 60
handler:
  task: costly:Costly
  input: text
  threads: THREADS
archive:
  title: Costly
  description: Takes its time, or much memory.
  version: "1.0"
  license: Apache-2.0
"""
STEPS = ("preprocess", "inference", "postprocess")
NAMES = ("costly", "shared")
# Models: their threads, and what they are warmed up with.
MODELS = {"costly": (1, "one"), "shared": (2, "one"), "heavy": (1, "inference slow")}


@pytest.fixture(scope="module")
def costly_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models, store = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("store")
    for name, (threads, example) in MODELS.items():
        folder = models / name
        write_tiny_model(folder)  # its graph is not asked
        (folder / "samples" / "red.png").unlink()
        (folder / "samples" / "one.txt").write_text("one")
        (folder / "costly.py").write_text(TASK.replace("EXAMPLE", repr(example)))
        (folder / "model-config.yaml").write_text(CONFIG.replace("THREADS", str(threads)))
        build_archive(folder, store)
    return store


@pytest.fixture(scope="module", params=["in_process", "torchserve", "mms"])
def costly(request: pytest.FixtureRequest, costly_store: Path) -> Iterator[Place]:
    if request.param == "in_process":
        place = InProcess(costly_store)
        yield place
        place.close()
    else:
        with start_server("--store", costly_store, "--server", request.param) as server:
            yield server


def ask(place: Place, name: str, texts: list[str]) -> list[int]:
    responses = place.post_together(f"/predictions/{name}", [(text.encode(), "text/plain") for text in texts])
    for text, response in zip(texts, responses, strict=True):
        if response.status_code == 200:
            assert response.json() == text
        else:
            assert response.json()["code"] == response.status_code
    return [response.status_code for response in responses]


def pids(place: Place, name: str) -> list[int]:
    return place.worker_pids(name) if isinstance(place, RunningServer) else []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", ["preprocess", "postprocess"])
def test_slow_inputs_get_504_before_the_server_ends_the_worker(costly: Place, name: str, step: str) -> None:
    before = pids(costly, name)
    statuses = ask(costly, name, [f"{step} slow {number}" for number in range(16)])
    assert set(statuses) == {200, 504}
    assert ask(costly, name, ["a good one"] * 8) == [200] * 8
    assert pids(costly, name) == before


def test_a_slow_model_answers_as_many_as_it_can(costly: Place) -> None:
    """The warm-up tells it how long a batch takes: longer than the server gives it."""
    before = pids(costly, "heavy")
    statuses = ask(costly, "heavy", [f"inference slow {number}" for number in range(16)])
    assert set(statuses) == {200, 504}
    assert pids(costly, "heavy") == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", STEPS)
def test_large_inputs_get_413_and_their_neighbours_an_answer(costly: Place, name: str, step: str) -> None:
    before = pids(costly, name)
    texts = [text for number in range(8) for text in (f"{step} large {number}", f"a good one {number}")]
    assert ask(costly, name, texts) == [413, 200] * 8
    assert pids(costly, name) == before
