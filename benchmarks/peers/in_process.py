"""Pictures answered without a server: ``python -m benchmarks.peers.in_process ARCHIVE WAY SECONDS``.

ARCHIVE is an unpacked archive of an ensemble; its samples are asked, as base64 in the old system's JSON. WAY is
"one_by_one", as the first handwriting service did it: each picture alone, decoded, padded and resized for one model
after another, in ONNX Runtime; or "handler": the archive's own, with full batches. Prints what it found as JSON.
"""

import base64
import io
import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.load import summarise

WARM_UP_CALLS = 3
Answer = Callable[[Sequence[bytes]], None]  # answers some bodies at once


def one_by_one(folder: Path, settings: dict[str, Any]) -> Answer:
    """A picture, then the next; a model, then the next."""
    import onnxruntime
    from PIL import Image

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = [onnxruntime.InferenceSession(folder / file, options) for file in settings["members"]]

    def ask(session: Any, data: bytes, size: int) -> Any:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        square = Image.new("RGB", (max(image.size), max(image.size)))
        square.paste(image)
        pixels = np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))[None]
        logits = session.run(None, {session.get_inputs()[0].name: pixels})[0][0]
        exponents = np.exp(logits - logits.max())
        return exponents / exponents.sum()

    def answer(bodies: Sequence[bytes]) -> None:
        for body in bodies:
            data = base64.b64decode(json.loads(body)["image"])
            votes = [ask(session, data, size) for session, size in zip(sessions, settings["sizes"], strict=True)]
            settings["labels"][int(np.mean(votes, axis=0).argmax())]

    return answer


def handler(folder: Path, settings: dict[str, Any]) -> Answer:
    """A batch through the archive's ``handle``, as the server calls it."""
    sys.path.insert(0, str(folder))
    from handlers.entry import handle
    from handlers.local import LocalContext, answer_batch

    context = LocalContext(folder)
    handle(None, context)

    def answer(bodies: Sequence[bytes]) -> None:
        rows = [{"body": body} for body in bodies]
        for status, text in answer_batch(handle, context, rows, [{"content-type": "application/json"}] * len(rows)):
            if status != 200:
                raise RuntimeError(text)

    return answer


def measure(folder: Path, way: str, seconds: float) -> dict[str, float]:
    """Throughput, times and CPU time a picture, of as many pictures as it answers in so many seconds."""
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    answer = {"one_by_one": one_by_one, "handler": handler}[way](folder, settings)
    size = 1 if way == "one_by_one" else settings["batch_size"]
    pictures = itertools.cycle(make_body(path.read_bytes()) for path in sorted((folder / "samples").iterdir()))
    for _ in range(WARM_UP_CALLS):
        answer(list(itertools.islice(pictures, size)))
    times_s: list[float] = []
    began, cpu_before = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        called = time.perf_counter()
        answer(list(itertools.islice(pictures, size)))
        times_s += [time.perf_counter() - called] * size
    elapsed_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_before
    load = summarise(times_s, elapsed_s, 0)
    return {
        "requests": len(times_s),
        **asdict(load),
        "cpu_ms_per_request": round(cpu_s / len(times_s) * 1000, 2),
    }


def make_body(picture: bytes) -> bytes:
    """A question of the old system."""
    image = base64.b64encode(picture).decode()
    return json.dumps({"esun_uuid": "0", "esun_timestamp": int(time.time()), "image": image, "retry": 2}).encode()


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))))
