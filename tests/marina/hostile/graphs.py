"""Graphs that reach for something outside, and other files that are not what they say or cost too much."""

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.marina.hostile.making import Case, Contents, external, repack, safetensors, varint, with_graph, with_model


def graphs(contents: Contents, good: bytes) -> Iterator[Case]:
    """Graphs that reach for something outside: wherever a tensor or a node can stand."""
    places = [
        "../weights.safetensors",
        "/etc/passwd",
        "./graph.onnx",
        "missing.bin",
        "samples/../graph.onnx",
        "..\\a",
        "",
        "*/_ORT_MEM_ADDR_/*",
        "file:///etc/passwd",
        "GRAPH.onnx",
        "samples//red.png",
    ]
    for location in places:
        yield (
            f"weights in {location!r}",
            with_graph(contents, lambda graph, location=location: graph.initializer.append(external(location))),
        )
    for what, values in {
        "behind the end": ("graph.onnx", "10", "999999"),
        "before the beginning": ("graph.onnx", "-5", "4"),
        "at no number": ("graph.onnx", "x", "4"),
        "far away": ("graph.onnx", "0", "18446744073709551615"),
    }.items():
        yield (
            f"weights {what}",
            with_graph(contents, lambda graph, values=values: graph.initializer.append(external(*values))),
        )
    outside = external("../../outside")
    subgraph = helper.make_graph(
        [helper.make_node("Identity", ["inner"], ["out"])],
        "sub",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [external("../../outside", name="inner")],
    )
    nested = helper.make_graph(
        [helper.make_node("If", ["c"], ["o"], then_branch=subgraph, else_branch=subgraph)],
        "deep",
        [],
        [helper.make_tensor_value_info("o", TensorProto.FLOAT, None)],
    )
    sparse = helper.make_sparse_tensor(external("../../outside"), numpy_helper.from_array(np.array([0]), "i"), [3])
    attributes: dict[str, Any] = {
        "a tensor": {"value": outside},
        "a list of tensors": {"tensors": [outside, outside]},
        "a sparse tensor": {"sparse_value": sparse},
        "a list of sparse tensors": {"sparses": [sparse]},
        "a subgraph": {"then_branch": subgraph},
        "a list of subgraphs": {"branches": [subgraph]},
        "a subgraph's subgraph": {"body": nested},
    }
    for what, values in attributes.items():
        node = helper.make_node("Constant", [], ["unused"], **values)
        yield f"an attribute with {what}", with_graph(contents, lambda graph, node=node: graph.node.append(node))
    yield "a sparse initializer", with_graph(contents, lambda graph: graph.sparse_initializer.append(sparse))

    def add_function(model: onnx.ModelProto) -> None:
        node = helper.make_node("Constant", [], ["y"], value=outside)
        model.functions.append(helper.make_function("own", "F", [], ["y"], [node], [helper.make_opsetid("", 18)]))

    def add_training(model: onnx.ModelProto) -> None:
        model.training_info.add().initialization.initializer.append(external("../../outside"))

    yield "a function", with_model(contents, add_function)
    yield "training", with_model(contents, add_training)
    yield "a location twice", with_graph(contents, lambda graph: graph.initializer.append(two_locations()))
    for domain, operator in (
        ("ai.onnx.contrib", "PyOp"),
        ("evil", "Op"),
        ("com.microsoft", "EPContext"),
        ("com.microsoft", "PythonOp"),
        ("org.pytorch.aten", "ATen"),
    ):
        node = helper.make_node(operator, [], ["unused"], domain=domain)
        yield f"{operator} of {domain}", with_graph(contents, lambda graph, node=node: graph.node.append(node))
    yield (
        "a domain in a subgraph",
        with_graph(
            contents,
            lambda graph: graph.node.append(
                helper.make_node(
                    "If",
                    ["c"],
                    ["o"],
                    then_branch=helper.make_graph([helper.make_node("Op", [], ["x"], domain="evil")], "s", [], []),
                )
            ),
        ),
    )
    deep = b""
    for _ in range(3000):
        deep = b"\x0a" + varint(len(deep)) + deep
    for what, data in {
        "no graph": b"no graph",
        "nothing": b"",
        "a graph of no nodes": helper.make_model(helper.make_graph([], "g", [], [])).SerializeToString(),
        "half a graph": contents["graph.onnx"][: len(contents["graph.onnx"]) // 2],
        "a length beyond the end": contents["graph.onnx"] + b"\x3a\xff\xff\xff\xff\x0f",
        "a field that nobody knows": contents["graph.onnx"] + b"\xfa\x3f\x01a",
        "a group": contents["graph.onnx"] + b"\x3b\x3c",
        "an endless number": contents["graph.onnx"] + b"\x08" + b"\xff" * 20,
        "depth": b"\x3a" + varint(len(deep)) + deep,
        "XML of OpenVINO": b'<?xml version="1.0"?><net name="a" version="11"><layers/></net>',
        "a graph of TensorFlow": b"\n\x0c\n\x01a\x12\x05Const*\0",
    }.items():
        yield what, repack({**contents, "graph.onnx": data})


def two_locations() -> TensorProto:
    tensor = external("graph.onnx")
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def documents(contents: Contents, good: bytes) -> Iterator[Case]:
    """Files of allowed kinds that would cost too much, or are not what they say."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    tensors = {
        "a header of 2^63 bytes": struct.pack("<Q", 2**63) + header,
        "a header of 4 GB": struct.pack("<Q", 2**32) + header,
        "a header that is no JSON": struct.pack("<Q", 4) + b"abcd",
        "a header that is deep": struct.pack("<Q", 200_000) + b"[" * 200_000,
        "a header of a list": struct.pack("<Q", 2) + b"[]",
        "half a length": b"\1\2\3",
        "too few bytes": struct.pack("<Q", len(header)) + header,
        "too many bytes": struct.pack("<Q", len(header)) + header + bytes(5),
        "tensors that overlap": safetensors({"a": [0, 4], "b": [2, 6]}, 6),
        "tensors with a hole": safetensors({"a": [0, 4], "b": [6, 8]}, 8),
        "a tensor that ends before it begins": safetensors({"a": [4, 0]}, 4),
        "a tensor before the file": safetensors({"a": [-4, 0]}, 0),
        "offsets of text": safetensors({"a": ["0", "4"]}, 4),
        "offsets of fractions": safetensors({"a": [0, 4.0]}, 4),
        "a bomb of values": struct.pack("<Q", 6_000_002) + b"[" + b"[]," * 2_000_000 + b"0",
    }
    for what, data in tensors.items():
        yield f"safetensors, {what}", repack({**contents, "weights.safetensors": data})
    texts: dict[str, dict[str, bytes]] = {
        "samples/a.json": {
            "depth": b"[" * 100_000 + b"]" * 100_000,
            "values": b"[" + b"[]," * 2_500_000 + b"0]",
            "no JSON": b"{a: 1}",
            "half a sign": b'"\xc3"',
            "UTF-16": '"a"'.encode("utf-16"),
        },
        "samples/a.txt": {"zeros": b"a\0b", "no UTF-8": b"\xff\xfe", "40 MB": b"a\n" * 20_000_000},
        "samples/a.png": {"a page": b"<html><script>", "nothing": b"", "a program": b"\x7fELF" + bytes(100)},
        "samples/a.jpg": {"a zip": b"PK\3\4" + bytes(100), "a program": b"MZ" + bytes(100)},
    }
    for name, variants in texts.items():
        for what, data in variants.items():
            yield f"{name}, {what}", repack({**contents, name: data})
