"""A worker that dies or hangs over a request: asked once more, never a third time, and told as what it is."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from marina.archive import build_archive
from tests.contract.test_serving import wait_until
from tests.servers import RunningServer, start_server
from tests.tiny import CONFIG, write_tiny_model

DEADLINE_S = 6
DEADLY, ENDLESS = b"deadly", b"endless"
# A task that notes each batch which it begins, and dies or hangs over some inputs.
TASK = """
import os, time
from handlers.image_classification import ImageClassification


class Fragile(ImageClassification):
    def preprocess(self, payload):
        if payload.value in (b"deadly", b"endless"):
            with open(%r, "a") as file:
                file.write(payload.value.decode() + "\\n")
        if payload.value == b"deadly":
            os._exit(1)
        if payload.value == b"endless":
            time.sleep(600)
        return super().preprocess(payload)
"""


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that the task writes to."""
    return tmp_path_factory.mktemp("notes") / "notes.txt"


@pytest.fixture(scope="module")
def fragile_store(notes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``fragile``, and ``patient``, a model with a longer deadline."""
    folder = tmp_path_factory.mktemp("fragile")
    write_tiny_model(folder / "models" / "patient")
    write_tiny_model(folder / "models" / "fragile")
    (folder / "models" / "fragile" / "own.py").write_text(TASK % str(notes))
    config = CONFIG.replace("task: image_classification", "task: own:Fragile").replace(
        "responseTimeout: 10", f"responseTimeout: {DEADLINE_S}"
    )
    (folder / "models" / "fragile" / "model-config.yaml").write_text(config)
    for name in ("fragile", "patient"):
        build_archive(folder / "models" / name, folder / "store")
    return folder / "store"


@pytest.fixture(
    scope="module",
    params=[[], ["--server", "mms"], ["--replicas", 2]],
    ids=["torchserve", "mms", "replicas"],
)
def fragile(request: pytest.FixtureRequest, fragile_store: Path) -> Iterator[RunningServer]:
    with start_server("--store", fragile_store, "--workers", 1, *request.param) as running:
        yield running


def times(notes: Path, input_: bytes) -> int:
    return notes.read_text().splitlines().count(input_.decode()) if notes.exists() else 0


def test_an_input_that_ends_its_worker_is_tried_twice_and_no_more(
    fragile: RunningServer, notes: Path, jpeg: bytes
) -> None:
    before = times(notes, DEADLY)
    response = fragile.predict("fragile", DEADLY, "image/jpeg")
    assert (response.status_code, response.json()["type"]) == (503, "WorkerLost")
    assert response.headers["retry-after"]
    assert times(notes, DEADLY) - before == 2
    assert wait_for_answer(fragile, jpeg)
    assert times(notes, DEADLY) - before == 2  # nobody asks on later


def wait_for_answer(server: RunningServer, jpeg: bytes) -> bool:
    """Whether the model answers again, once its worker is back."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.predict("fragile", jpeg, "image/jpeg").status_code == 200:
            return True
        time.sleep(0.2)
    return False


def test_an_input_that_hangs_is_answered_at_the_models_own_deadline(
    fragile: RunningServer, notes: Path, jpeg: bytes
) -> None:
    """And not at that of another model, nor a second time."""
    assert wait_for_answer(fragile, jpeg)
    before, began = times(notes, ENDLESS), time.monotonic()
    response = fragile.predict("fragile", ENDLESS, "image/jpeg")
    took_s = time.monotonic() - began
    assert (response.status_code, response.json()["type"]) == (504, "DeadlineExceeded")
    assert DEADLINE_S * 0.9 < took_s < 2 * DEADLINE_S
    assert times(notes, ENDLESS) - before == 1
    assert fragile.predict("patient", jpeg, "image/jpeg").status_code == 200
    assert wait_for_answer(fragile, jpeg)


def test_good_requests_beside_a_deadly_one_are_answered_or_told_to_come_again(
    fragile: RunningServer, jpeg: bytes
) -> None:
    assert wait_for_answer(fragile, jpeg)
    bodies = [jpeg] * 20 + [DEADLY] + [jpeg] * 20
    with ThreadPoolExecutor(len(bodies)) as pool:
        responses = list(pool.map(lambda body: fragile.predict("fragile", body, "image/jpeg"), bodies))
    statuses = Counter(response.status_code for response in responses)
    assert set(statuses) <= {200, 503, 504}, statuses
    for response in responses:
        assert response.status_code == 200 or response.json()["type"] in ("WorkerLost", "NotReady", "DeadlineExceeded")
        assert response.status_code != 503 or response.headers["retry-after"]
    assert wait_for_answer(fragile, jpeg)


def test_a_full_queue_says_so_in_marinas_words(
    fragile_store: Path, new_server: Callable[..., RunningServer], notes: Path, jpeg: bytes
) -> None:
    before = times(notes, ENDLESS)
    server = new_server("--store", fragile_store, "--models", "fragile", "--workers", 1)
    with ThreadPoolExecutor(300) as pool:
        hanging = pool.submit(server.predict, "fragile", ENDLESS, "image/jpeg")
        assert wait_until(lambda: times(notes, ENDLESS) > before)
        responses = list(pool.map(lambda _: server.predict("fragile", jpeg, "image/jpeg"), range(299)))
        hanging.result()
    refused = [response for response in responses if response.status_code == 503]
    assert any(response.json()["type"] == "Busy" for response in refused)
    for response in refused:
        assert response.headers["retry-after"]
        assert "worker" not in response.json()["message"].lower() or response.json()["type"] == "WorkerLost"
        assert "API" not in response.text
