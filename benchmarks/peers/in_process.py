"""One process that answers inputs without a server, as fast as it goes: ``python -m benchmarks.peers.in_process TASK``.

TASK is a ``Task`` in JSON. The process loads and warms up, prints "ready", reads two times of the machine's monotonic
clock from its standard input, works until the second, and prints a ``Report`` in JSON.
"""

import base64
import io
import itertools
import json
import mimetypes
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

LEAST_WARM_UP_CALLS = 1
RECORDED_BATCHES = 4  # of the model alone: they are computed again and again
Input = tuple[bytes, str]  # a request's body and its media type
Stages = Mapping[str, float]  # milliseconds of a batch by what they were spent on; empty where nobody tells
Answer = Callable[[Sequence[Input]], Stages]  # answers a batch


@dataclass(frozen=True)
class Task:
    folder: str  # an unpacked archive
    way: str  # one of WAYS
    inputs: list[str]  # files
    batch: int = 1
    question: bool = False  # the files are sent as base64 in the old handwriting system's JSON
    warm_up_s: float = 1
    pause_s: float = 0  # before each call
    gpu: int | None = None  # as a server would assign it; none: the CPU


@dataclass(frozen=True)
class Report:
    calls: list[tuple[float, float]]  # when each batch began and ended, on the monotonic clock
    cpu_s: float  # that all of them took
    rss_mb: float
    stages_ms: Stages  # of all of them


class Archive:
    """The handler of an unpacked archive, with the context that a server would give it."""

    def __init__(self, folder: str, gpu: int | None) -> None:
        # Before the checkout, so that the handlers are the archive's own.
        sys.path.insert(0, folder)
        from handlers.entry import handle
        from handlers.local import LocalContext

        self.handle = handle
        self.context = LocalContext(folder, "model")  # of whose threads MARINA_THREADS tells
        self.context.system_properties["gpu_id"] = gpu
        handle(None, self.context)
        self.handler: Any = handle.handler

    def answer(self, inputs: Sequence[Input]) -> Stages:
        from handlers.local import answer_batch

        rows = [{"body": body} for body, _ in inputs]
        headers = [{"content-type": kind} for _, kind in inputs]
        for status, text in answer_batch(self.handle, self.context, rows, headers):
            if status != 200:
                raise RuntimeError(text)
        timing = self.context.request_processor[0].response_headers["Server-Timing"]
        return {name: float(ms) for name, ms in (step.split(";dur=") for step in timing.split(", "))}

    def preprocess(self, inputs: Sequence[Input]) -> list[Any]:
        from handlers.local import LocalRequest

        self.context.request_processor = [LocalRequest({"content-type": kind}) for _, kind in inputs]
        rows = [{"body": body} for body, _ in inputs]
        found: list[Any] = self.handler.preprocess_all(rows, self.context, range(len(rows)))
        return found


def handler(task: Task) -> Answer:
    """Whole batches through ``handle``, as the server calls it."""
    return Archive(task.folder, task.gpu).answer


def preprocess(task: Task) -> Answer:
    """Only from bodies to the model's inputs."""
    archive = Archive(task.folder, task.gpu)

    def answer(inputs: Sequence[Input]) -> Stages:
        archive.preprocess(inputs)
        return {}

    return answer


def model(task: Task) -> Answer:
    """Only the model, on arrays that are ready: what its handler hands it for the first batches."""
    archive = Archive(task.folder, task.gpu)
    bodies = endless_inputs(task)
    batches = []
    for _ in range(RECORDED_BATCHES):
        ready = archive.preprocess(list(itertools.islice(bodies, task.batch)))
        batches.append(record_calls(archive.handler, ready))
    turn = itertools.cycle(batches)

    def answer(_: Sequence[Input]) -> Stages:
        for called, arrays in next(turn):
            called(*arrays)
        return {}

    return answer


def record_calls(handler: Any, ready: Sequence[Any]) -> list[tuple[Any, tuple[Any, ...]]]:
    """The calls of its models that a handler's ``inference`` makes: each model, and the arrays that it was handed."""
    calls: list[tuple[Any, tuple[Any, ...]]] = []

    class Recorder:
        def __init__(self, recorded: Any) -> None:
            self.recorded = recorded

        def __getattr__(self, name: str) -> Any:
            return getattr(self.recorded, name)

        def __call__(self, *arrays: Any) -> Any:
            calls.append((self.recorded, arrays))
            return self.recorded(*arrays)

    name = "models" if hasattr(handler, "models") else "model"
    kept = getattr(handler, name)
    setattr(handler, name, [Recorder(each) for each in kept] if name == "models" else Recorder(kept))
    try:
        handler.inference(ready)
    finally:
        setattr(handler, name, kept)
    return calls


def one_by_one(task: Task) -> Answer:
    """As the first handwriting service did it: a picture, then the next; a model, then the next; in ONNX Runtime."""
    import onnxruntime
    from PIL import Image

    settings = json.loads((Path(task.folder) / "settings.json").read_text(encoding="utf-8"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = [onnxruntime.InferenceSession(Path(task.folder) / file, options) for file in settings["members"]]

    def ask(session: Any, data: bytes, size: int) -> Any:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        square = Image.new("RGB", (max(image.size), max(image.size)))
        square.paste(image)
        pixels = np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))[None]
        logits = session.run(None, {session.get_inputs()[0].name: pixels})[0][0]
        exponents = np.exp(logits - logits.max())
        return exponents / exponents.sum()

    def answer(inputs: Sequence[Input]) -> Stages:
        for body, _ in inputs:
            data = base64.b64decode(json.loads(body)["image"])
            votes = [ask(session, data, size) for session, size in zip(sessions, settings["sizes"], strict=True)]
            settings["labels"][int(np.mean(votes, axis=0).argmax())]
        return {}

    return answer


WAYS: dict[str, Callable[[Task], Answer]] = {
    "handler": handler,
    "model": model,
    "preprocess": preprocess,
    "one_by_one": one_by_one,
}


def endless_inputs(task: Task) -> Iterator[Input]:
    """The files' contents, again and again, as they are posted."""
    form = make_question if task.question else make_raw
    return itertools.cycle([form(Path(file)) for file in task.inputs])


def make_raw(file: Path) -> Input:
    return file.read_bytes(), mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def make_question(file: Path) -> Input:
    """A question of the old handwriting system."""
    image = base64.b64encode(file.read_bytes()).decode()
    question = {"esun_uuid": "0", "esun_timestamp": int(time.time()), "image": image, "retry": 2}
    return json.dumps(question).encode(), "application/json"


def work(answer: Answer, inputs: Iterator[Input], task: Task, is_over: Callable[[int], bool]) -> Report:
    """Answers batch after batch until ``is_over``, which is handed their number so far."""
    calls: list[tuple[float, float]] = []
    stages: Counter[str] = Counter()
    cpu_before = time.process_time()
    while not is_over(len(calls)):
        batch = list(itertools.islice(inputs, task.batch))
        if task.pause_s:
            time.sleep(task.pause_s)
        began = time.monotonic()
        found = answer(batch)
        calls.append((began, time.monotonic()))
        stages.update(found)
    cpu_s = time.process_time() - cpu_before
    return Report(calls, cpu_s, round(psutil.Process().memory_info().rss / 1e6, 1), dict(stages))


def run(task: Task) -> None:
    answer, inputs = WAYS[task.way](task), endless_inputs(task)
    warm = time.monotonic() + task.warm_up_s
    work(answer, inputs, task, lambda calls: calls >= LEAST_WARM_UP_CALLS and time.monotonic() >= warm)
    print("ready", flush=True)
    line = sys.stdin.readline()
    if line:  # else whoever started this is gone
        end = float(line.split()[1])
        print(json.dumps(asdict(work(answer, inputs, task, lambda _: time.monotonic() >= end))))


if __name__ == "__main__":
    run(Task(**json.loads(sys.argv[1])))
