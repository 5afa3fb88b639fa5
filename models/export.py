"""A network's graph as ONNX without its weights, which stay in the safetensors file beside it.

The initialisers are float16 external data that point into that file, each followed by a Cast to float32,
which a runtime folds when it loads. So one set of bytes serves torch and ONNX.
"""

import json
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxscript.optimizer import optimize
from onnxscript.rewriter import pattern, rewrite
from torch import Tensor, nn

OPSET = 18
# ONNX Runtime makes one operator of (x / 2) (1 + erf(x / sqrt 2)), and not of x ((1 + erf(x / sqrt 2)) / 2), which is
# what torch exports: 8 % of a DistilBERT's time.
GELU = pattern.RewriteRule(
    lambda op, x, half, root, one: op.Mul(x, op.Mul(half, op.Add(op.Erf(op.Div(x, root)), one))),
    lambda op, x, half, root, one: op.Mul(op.Mul(x, half), op.Add(op.Erf(op.Div(x, root)), one)),
    name="gelu",
)
SMALLEST_EXTERNAL = 64  # elements; what is smaller stays in the graph


@dataclass(frozen=True)
class Stored:
    """One float16 tensor of a safetensors file: its values, and where its bytes lie in the file."""

    values: np.ndarray
    offset: int
    length: int


def export_graph(
    model: nn.Module,
    weights: Path,
    inputs: dict[str, Tensor],
    outputs: list[str],
    dynamic: dict[str, dict[int, str]],
    file: str = "graph.onnx",
) -> Path:
    """Writes ``file`` beside ``weights`` and gives its path; the same bytes each time.

    ``model`` holds the weights of the file ``weights`` (safetensors, float16), in float32. ``inputs`` are an
    example of its arguments, in order, with at least 2 along each axis that ``dynamic`` names:
    ``{"images": {0: "batch"}}``. Raises ValueError where a weight of the graph is not in the file.
    """
    graph = trace(model, inputs, outputs, dynamic)
    hidden = hide_weights(graph)
    graph = rewrite(optimize(graph), [GELU])
    point_to_weights(graph, hidden, weights)
    strip(graph)
    path = weights.with_name(file)
    path.write_bytes(graph.SerializeToString(deterministic=True))
    onnx.checker.check_model(str(path))
    return path


def trace(
    model: nn.Module, inputs: dict[str, Tensor], outputs: list[str], dynamic: dict[str, dict[int, str]]
) -> onnx.ModelProto:
    """The network as an ONNX model, operator by operator, that holds its float32 weights."""
    shapes = tuple({axis: torch.export.Dim(label) for axis, label in dynamic.get(name, {}).items()} for name in inputs)
    with warnings.catch_warnings():
        # torch's exporter calls a name of its own that it has given up.
        warnings.simplefilter("ignore", FutureWarning)
        # It says so wherever two inputs have an axis in common.
        warnings.filterwarnings("ignore", "# The axis name: ", UserWarning)
        program = torch.onnx.export(
            model.eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            optimize=False,
            verbose=False,
        )
    graph: onnx.ModelProto = program.model_proto  # type: ignore[union-attr]
    return graph


def read_stored(weights: Path) -> dict[str, Stored]:
    """The float16 tensors of a safetensors file: an 8-byte header length, a JSON header, then the bytes."""
    data = weights.read_bytes()
    header_length = struct.unpack("<Q", data[:8])[0]
    start = 8 + header_length
    stored = {}
    for name, entry in json.loads(data[8:start]).items():
        if entry.get("dtype") == "F16":
            begin, end = entry["data_offsets"]
            values = np.frombuffer(data, "<f2", (end - begin) // 2, start + begin).reshape(entry["shape"])
            stored[name] = Stored(values, start + begin, end - begin)
    return stored


def hide_weights(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Takes the weights out of the model and makes inputs of them; gives them by name.

    So nothing can be folded into them while the model is optimised: they must stay what the file holds.
    """
    hidden, kept = {}, []
    for initializer in model.graph.initializer:
        values = numpy_helper.to_array(initializer)
        if initializer.data_type == TensorProto.FLOAT and values.size >= SMALLEST_EXTERNAL:
            hidden[initializer.name] = values
            model.graph.input.append(helper.make_tensor_value_info(initializer.name, TensorProto.FLOAT, values.shape))
        else:
            kept.append(initializer)
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return hidden


def point_to_weights(model: onnx.ModelProto, hidden: dict[str, np.ndarray], weights: Path) -> None:
    """Replaces the inputs that were made of weights by references into the weights file."""
    stored = read_stored(weights)
    graph = model.graph
    restoring: list[onnx.NodeProto] = []
    inputs = [value for value in graph.input if value.name not in hidden]
    used = {name for node in graph.node for name in node.input}
    for name in (name for name in hidden if name in used):
        source, transposed = find_stored(name, hidden[name], stored)
        graph.initializer.append(external_tensor(name + ".float16", stored[source], weights.name))
        restoring.extend(restoring_nodes(name, transposed))
    nodes = restoring + list(graph.node)
    del graph.input[:], graph.node[:]
    graph.input.extend(inputs)
    graph.node.extend(nodes)


def find_stored(name: str, values: np.ndarray, stored: dict[str, Stored]) -> tuple[str, bool]:
    """The stored tensor that an initialiser came from, and whether the exporter transposed it.

    By name first (that of the file is the end of the initialiser's), then by content.
    """
    by_name = sorted((key for key in stored if name == key or name.endswith("." + key)), key=len, reverse=True)
    for key in by_name + list(stored):
        if np.array_equal(stored[key].values, values):
            return key, False
    for key, tensor in stored.items():
        if values.ndim == 2 and np.array_equal(tensor.values.T, values):
            return key, True
    raise ValueError(f"The graph's initialiser {name} {values.shape} is not in the weights file.")


def external_tensor(name: str, tensor: Stored, location: str) -> TensorProto:
    """A float16 initialiser whose bytes are in the file ``location``, in the graph's own folder."""
    proto = TensorProto(
        name=name, data_type=TensorProto.FLOAT16, dims=tensor.values.shape, data_location=TensorProto.EXTERNAL
    )
    for key, value in (("location", location), ("offset", tensor.offset), ("length", tensor.length)):
        proto.external_data.add(key=key, value=str(value))
    return proto


def restoring_nodes(name: str, transposed: bool) -> Iterator[onnx.NodeProto]:
    """The nodes that make the float32 initialiser ``name`` of its float16 bytes."""
    stored = name + ".float16"
    if transposed:
        yield helper.make_node("Transpose", [stored], [stored + ".T"], name="transpose." + name, perm=[1, 0])
        stored += ".T"
    yield helper.make_node("Cast", [stored], [name], name="restore." + name, to=TensorProto.FLOAT)


def strip(model: onnx.ModelProto) -> None:
    """Takes out what is no part of the computation: stack traces, paths, versions, intermediate shapes."""
    model.producer_name, model.producer_version, model.doc_string = "", "", ""
    graph = model.graph
    graph.name, graph.doc_string = "graph", ""
    del graph.value_info[:]
    del model.metadata_props[:]
    described: list[Any] = [graph, *graph.node, *graph.input, *graph.output, *graph.initializer]
    for item in described:
        item.doc_string = ""
        del item.metadata_props[:]
