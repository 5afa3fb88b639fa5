"""An input that takes more memory than there is for it is refused alone; the process lives and keeps its limit."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from handlers.image_classification import ImageSettings
from handlers.memory import BYTES_PER_CHAR, BYTES_PER_PIXEL, MB, MemoryLimit, is_out_of_memory, make_limit
from handlers.texts import TextSettings
from tests.conftest import ROOT

# A task that allocates for a number as many MB as it says, in one of many ways; the limit is 200 MB.
TASK = """
import json, resource, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
import onnxruntime
from PIL import Image
from handlers.base import Handler, start_threads
from handlers.local import LocalContext, answer_batch
from handlers.memory import MB, MemoryLimit

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])

def fill(size):
    session.run(None, {"count": np.array([size // 4], np.int64)})

WAYS = {
    "bytes": lambda size: bytearray(size),
    "lists": lambda size: [0] * (size // 8),
    "numpy": lambda size: np.ones(size, np.uint8),
    "pillow": lambda size: Image.new("L", (1000, size // 1000)),
    "onnxruntime": fill,
}

class Greedy(Handler):
    def __init__(self, threads, step, way):
        self.threads, self.step, self.way = threads, step, WAYS[way]
        self.pool = ThreadPoolExecutor(threads)
        start_threads(self.pool, threads)
        self.way(MB)
        self.memory_limit = MemoryLimit(200 * MB)

    def take(self, step, sizes):
        if step == self.step:
            self.way(sum(sizes) * MB)

    def preprocess(self, payload):
        size = int(payload.value)
        self.take("preprocess", [size])
        return size

    def inference(self, inputs):
        self.take("inference", inputs)
        return list(inputs)

    def postprocess(self, output, request):
        self.take("postprocess", [output])
        return output

for line in sys.stdin:
    threads, step, way, sizes = json.loads(line)
    handler = Greedy(threads, step, way)
    rows = [{"body": str(size).encode()} for size in sizes]
    rounds = [answer_batch(handler.handle, LocalContext("."), rows) for _ in range(3)]
    statuses = [[status for status, _ in answers] for answers in rounds]
    print(json.dumps([statuses, rounds[0][-1][1], resource.getrlimit(resource.RLIMIT_DATA)]), flush=True)
"""


@pytest.fixture(scope="module")
def filling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph whose memory depends on its input: as many floats as it says."""
    path = tmp_path_factory.mktemp("graph") / "filling.onnx"
    graph = helper.make_graph(
        [
            helper.make_node("ConstantOfShape", ["count"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
        ],
        "filling",
        [helper.make_tensor_value_info("count", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, [])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


@pytest.mark.parametrize("way", ["bytes", "lists", "numpy", "pillow", "onnxruntime"])
def test_what_takes_too_much_memory_is_refused_alone(filling: Path, way: str) -> None:
    """In every step, alone and beside others, again and again; the process is told nothing of it afterwards."""
    good, bad = [1, 2, 1], [4000, 1, 4000, 2, 1, 9000, 1, 4000]
    cases = [
        [threads, step, way, sizes]
        for threads in (1, 4)
        for step in ("preprocess", "inference", "postprocess")
        for sizes in (good, bad)
    ]
    done = subprocess.run(
        [sys.executable, "-c", TASK, str(filling)],
        input="".join(json.dumps(case) + "\n" for case in cases),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(cases)
    for (_, _, _, sizes), (rounds, body, limit) in zip(cases, answers, strict=True):
        assert rounds == [[200 if size < 100 else 413 for size in sizes]] * 3
        assert limit == [-1, -1]
        if sizes is bad:
            assert json.loads(body)["type"] == "OutOfMemory"


def test_inputs_that_fit_alone_are_answered_though_they_do_not_fit_together(filling: Path) -> None:
    case = [4, "preprocess", "numpy", [150] * 8]
    together = [4, "inference", "numpy", [150] * 8]
    done = subprocess.run(
        [sys.executable, "-c", TASK, str(filling)],
        input="".join(json.dumps(each) + "\n" for each in (case, together)),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    for line in done.stdout.splitlines():
        assert json.loads(line)[0] == [[200] * 8] * 3


def test_the_largest_input_that_is_allowed_fits() -> None:
    def headroom(settings: ImageSettings | TextSettings) -> int:
        limit = make_limit(settings, "cpu")
        assert limit is not None
        return limit.headroom

    pictures = {"task": "image_classification", "labels": ["a", "b"]}
    assert headroom(ImageSettings(pictures)) == 400 * MB
    assert headroom(ImageSettings({**pictures, "max_pixels": 10**8})) == BYTES_PER_PIXEL * 10**8
    assert headroom(ImageSettings({**pictures, "memory_mb": 5000})) == 5000 * MB
    texts = {"task": "readability", "max_tokens": 512, "max_chars": 10**6}
    assert headroom(TextSettings(texts)) == BYTES_PER_CHAR * 10**6
    assert make_limit(ImageSettings({**pictures, "memory_mb": 0}), "cpu") is None
    assert make_limit(ImageSettings(pictures), "cuda:0") is None


def test_the_bodies_of_a_batch_are_not_its_headroom() -> None:
    limit = MemoryLimit(MB)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    rows = [{"body": bytes(300 * MB)}]
    limit.hold(rows)
    try:
        assert len(bytes(rows[0]["body"])) == 300 * MB
        assert resource.getrlimit(resource.RLIMIT_DATA)[0] > limit.used + 600 * MB
    finally:
        limit.release(False, rows)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_what_libraries_say_of_memory_is_understood() -> None:
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("std::bad_alloc"))
    assert not is_out_of_memory(RuntimeError("bad alloc"))
    assert not is_out_of_memory(KeyError(17))
