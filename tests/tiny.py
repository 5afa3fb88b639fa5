"""A model made from nothing in a few lines: tells red pictures from blue ones. As a user would add one."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

CONFIG = """\
minWorkers: 1
maxWorkers: 4
batchSize: 4
maxBatchDelay: 20
responseTimeout: 10
startupTimeout: 60
handler:
  task: image_classification
  labels: [red, green, blue]
  resize: 32
  size: 32
  top: 3
  max_bytes: 200000
  max_pixels: 1000000
archive:
  title: Colours
  description: Tells the colour that a picture has most of.
  version: "1.0"
  license: Apache-2.0
"""


def write_tiny_model(folder: Path) -> None:
    """Writes a model's folder: the settings, the graph, one sample."""
    (folder / "samples").mkdir(parents=True)
    (folder / "model-config.yaml").write_text(CONFIG)
    onnx.save(mean_colour(), folder / "graph.onnx")
    Image.new("RGB", (64, 48), (230, 20, 20)).save(folder / "samples" / "red.png")


def write_own_task(folder: Path) -> None:
    """The same model with a task of its own: how bright is a picture?"""
    write_tiny_model(folder)
    (folder / "brightness.py").write_text(
        "from handlers.image_classification import ImageClassification\n\n\n"
        "class Brightness(ImageClassification):\n"
        "    def postprocess(self, output, request):\n"
        '        return {"brightness": round(float(request.mean()) / 255, 3)}\n'
    )
    config = CONFIG.replace("task: image_classification", "task: brightness:Brightness")
    (folder / "model-config.yaml").write_text(config.replace("Colours", "Brightness"))


def mean_colour() -> onnx.ModelProto:
    """uint8 (batch, 32, 32, 3) -> logits (batch, 3): the mean of each channel, 0 to 25.5."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
            helper.make_node("Mul", ["means", "tenth"], ["logits"]),
        ],
        "mean_colour",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 32, 32, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [
            numpy_helper.from_array(np.array([1, 2]), "axes"),
            numpy_helper.from_array(np.array(0.1, np.float32), "tenth"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
