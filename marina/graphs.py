"""ONNX graphs on pictures: does one take pixels as the handlers hand them over, and what makes it so."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, compose, helper, inliner, numpy_helper

from marina.errors import MarinaError, UnsafeArchive
from marina.graph_files import read_graph
from marina.packing import Bytes

PREFIX = "network_"
PROBABILITIES = {"Softmax", "Sigmoid", "HardSigmoid"}
# Operators that leave the values as they are, whatever else they do.
RESHAPING = {"Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Dropout"}
RESHAPING |= {"QuantizeLinear", "DequantizeLinear"}


def find_fault(graph: bytes, size: int) -> str:
    """What keeps a graph from taking uint8 (batch, size, size, 3) with any batch; nothing if all is well."""
    try:
        model = onnx.load_from_string(graph)
    except DecodeError:
        return "this is no ONNX graph"
    inputs = input_values(model)
    if len(inputs) != 1:
        return f"the graph has {len(inputs)} inputs; an image handler has one"
    kind, shape = inputs[0].type.tensor_type.elem_type, dimensions(inputs[0])
    wanted = ("any", size, size, 3)
    fits = len(shape) == 4 and all(have in (want, "any") for have, want in zip(shape, wanted, strict=True))
    if kind == TensorProto.UINT8 and fits:
        return ""
    have = f"{TensorProto.DataType.Name(kind).lower()} ({', '.join(str(each) for each in shape)})"
    return f"the graph takes {have}; the handler has uint8 (any, {size}, {size}, 3): see `marina adapt --help`"


def find_output(graph: bytes) -> str:
    """Whether a graph's first output holds "logits", or "probabilities": it ends in Softmax or Sigmoid then."""
    model = onnx.load_from_string(graph)
    if model.functions:
        model = inliner.inline_local_functions(model)
    makers = {name: node for node in model.graph.node for name in node.output if name}
    node = makers.get(model.graph.output[0].name) if model.graph.output else None
    while node is not None and node.op_type in RESHAPING:
        node = makers.get(node.input[0])
    return "probabilities" if node is not None and gives_probabilities(node, makers) else "logits"


def gives_probabilities(node: onnx.NodeProto, makers: Mapping[str, onnx.NodeProto]) -> bool:
    """Whether a node is Softmax or Sigmoid, also one that is written out: exponents by their sum."""
    if node.op_type != "Div":
        return node.op_type in PROBABILITIES
    above, below = (makers.get(name) for name in node.input)
    is_sum = below is not None and below.op_type == "ReduceSum" and below.input[0] == node.input[0]
    return is_sum and above is not None and above.op_type == "Exp"


def adapt(model: onnx.ModelProto, mean: Sequence[float], std: Sequence[float]) -> onnx.ModelProto:
    """The same network on raw pixels: uint8 (batch, height, width, 3), not float32 (batch, 3, height, width).

    ``mean`` and ``std`` are of RGB in 0..1, as training normalised with. Raises MarinaError where the network is
    no float32 network on three channels.
    """
    inputs = input_values(model)
    shape = dimensions(inputs[0]) if len(inputs) == 1 else []
    if len(shape) != 4 or shape[1] != 3 or inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        raise MarinaError("the graph must have one input, float32 (batch, 3, height, width)")
    model = compose.add_prefix(model, PREFIX)
    network_input = input_values(model)[0]
    network_input.type.tensor_type.shape.dim[0].dim_param = "batch"
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.graph.value_info[:]  # they hold the old batch
    pixels = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", shape[2], shape[3], 3])
    scale = numpy_helper.from_array((1 / (255 * np.array(std))).astype(np.float32), "scale")
    shift = numpy_helper.from_array((-np.array(mean) / np.array(std)).astype(np.float32), "shift")
    before = [
        helper.make_node("Cast", ["images"], ["float_pixels"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float_pixels", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["normalised"]),
        helper.make_node("Transpose", ["normalised"], [network_input.name], perm=[0, 3, 1, 2]),
    ]
    nodes = [*before, *model.graph.node]
    del model.graph.node[:], model.graph.input[:]
    model.graph.node.extend(nodes)
    model.graph.input.append(pixels)
    model.graph.initializer.extend([scale, shift])
    onnx.checker.check_model(model)
    return model


def adapt_file(source: Path, target: Path, mean: Sequence[float], std: Sequence[float]) -> None:
    """Reads a network on floats and writes it as one on pixels. Raises MarinaError."""
    adapted = adapt(load_graph(source), mean, std)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(adapted, target)
    except OSError as error:
        raise MarinaError(f"{target} can't be written: {error.strerror}") from error
    except ValueError as error:
        raise MarinaError(f"{target} can't be written: with its weights it has more than the 2 GB of ONNX") from error


def load_graph(path: Path) -> onnx.ModelProto:
    """A graph with its weights, which may stand in files beside it. Raises MarinaError."""
    try:
        return onnx.load(locate_graph(path))
    except (OSError, ValueError, DecodeError, onnx.checker.ValidationError) as error:
        raise MarinaError(f"{path} can't be read as ONNX: {first_line(error)}") from error


def locate_graph(path: Path) -> Path:
    """A graph's path beside the files of its weights: its own, or that of the file that it is a link to.

    Raises MarinaError naming a file that is missing or leads elsewhere.
    """
    try:
        graph = read_graph(path.name, Bytes(path.read_bytes()))
    except OSError as error:
        raise MarinaError(f"{path} can't be read: {error.strerror}") from error
    except UnsafeArchive as error:
        raise MarinaError(f"{path} can't be read as ONNX: {error}") from error
    names = sorted({location for location, _, _ in graph.locations})
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise MarinaError(f"{path} keeps weights in {name!r}, which leads out of its folder")
    for place in (path, path.resolve()):
        if all((place.parent / name).is_file() for name in names):
            return place
    missing = next(name for name in names if not (path.parent / name).is_file())
    raise MarinaError(f"{path} keeps weights in {missing}, which is not in {path.parent}")


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def input_values(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The graph's inputs without those that have a value already."""
    initial = {each.name for each in model.graph.initializer}
    return [each for each in model.graph.input if each.name not in initial]


def dimensions(value: onnx.ValueInfoProto) -> list[int | str]:
    """The size of each axis, "any" where the graph leaves it open."""
    return [axis.dim_value or "any" for axis in value.type.tensor_type.shape.dim]
