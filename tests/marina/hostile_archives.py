"""Archives that could harm and archives that can't, made of one good one: for the tests, and to attack a tool with.

``hostile_archives(good)`` and ``good_archives(good)`` give (what it is, the file's bytes); ``good`` is an archive's
bytes. Nothing here acts unless it is loaded: what would run tries to make the file CANARY.
"""

import json
import struct
import zipfile
from collections.abc import Iterator

import onnx
from onnx import helper

from tests.marina.hostile.graphs import documents, graphs
from tests.marina.hostile.making import (
    CANARY,
    CONFIG,
    Case,
    external,
    read,
    repack,
    safetensors,
    torchscript,
    with_graph,
    with_model,
)
from tests.marina.hostile.pickled import pickles, pickles_within
from tests.marina.hostile.sayings import configs, manifests, provenances, python_files, settings
from tests.marina.hostile.zips import damages, kinds_of_entries, names, zip_tricks

__all__ = ["CANARY", "good_archives", "hostile_archives"]


def hostile_archives(good: bytes) -> Iterator[Case]:
    """Over 200 archives, all of which must be refused."""
    contents = read(good)
    for make in (
        names,
        kinds_of_entries,
        zip_tricks,
        damages,
        pickles,
        pickles_within,
        python_files,
        manifests,
        settings,
        configs,
        graphs,
        documents,
        provenances,
    ):
        for what, data in make(contents, good):
            yield f"{make.__name__}: {what}", data


def good_archives(good: bytes) -> Iterator[Case]:
    """60 archives that are unusual, and sound."""
    contents = read(good)
    yield "as it is", good
    yield "sealed anew", repack(contents)
    texts = {
        "a pickle's first letters": b"(lp0\nhello\n",
        "os and words": b"cos\nsin\ntan\n",
        "a system": b"cos\nsystem\n",
        "words by line": b"cat\ndog\nemu\n.\n",
        "abbreviations": b"cow\nhen\nN.A.\nU.S.\n",
        "tacos": b"tacos\nburrito\n(t)R\n",
        "radios": b"radios\nsystem\n",
        "brackets": b"(in\nthe\nend)\n",
        "I am": b"I am\n.\n",
        "irises": b"iris\nrose\n",
        "nothing": b"",
        "a dot": b".",
        "N.": b"N.",
        "a line of Latin": b"Lorem ipsum dolor sit amet.\n",
        "Chinese": "山海經\n".encode() * 50,
        "Arabic": "مرحبا\n".encode(),
        "emoji": "👓👩\u200d🚀“quoted”, so\n".encode(),
        "CRLF": b"a\r\nb\r\n",
        "a byte order mark": b"\xef\xbb\xbfhello\n",
        "about pickles": b"GLOBAL imports os.system and REDUCE calls it: c, o, s.\n",
        "code": b"import os\nos.system('true')\n",
        "dots and paths": b"../../etc/passwd\n/etc/passwd\n",
        "letters": b"abcdefghijklmnopqrstuvwxyz\nABCDEFGHIJKLMNOPQRSTUVWXYZ\n0123456789\n",
        "a long line": b"word " * 200_000,
        "many lines": b"word\n" * 200_000,
        "a shell": b"#!/bin/sh\nrm -rf /\n",
        "HTML": b"<script>alert(1)</script>\n",
    }
    for what, data in texts.items():
        yield f"a text: {what}", repack({**contents, "samples/a.txt": data})
    names = [
        "samples/山.txt",
        "samples/é.txt",
        "samples/a b.txt",
        "samples/a'b.txt",
        "samples/a,b;c.txt",
        "samples/" + "x" * 200 + ".txt",
    ]
    names += [
        "samples/...a.txt",
        "samples/-rf.txt",
        "samples/a%2e%2e.txt",
        "samples/%00.txt",
        "samples/con.txt",
        "samples/👓.txt",
        "samples/.hidden.txt",
    ]
    for name in names:
        yield f"the name {name[:40]}", repack({**contents, name: b"x"})
    others = {
        "helper.py": b"VALUE = 3\n",
        "package/__init__.py": b"",
        "notes.md": b"# Notes\n",
        "data.csv": b"a,b\n1,2\n",
        "other.yaml": b"a: [1, 2]\nb: {c: d}\n",
        "vocabulary.json": json.dumps({f"word{number}": number for number in range(50_000)}).encode(),
        "samples/a.json": b'{"text": "a", "text": "b", "n": 1e400}',
        "weights.safetensors": safetensors({"a": [0, 4], "b": [4, 8]}, 8),
        "empty.safetensors": struct.pack("<Q", 2) + b"{}",
        "model.pt": torchscript({"archive/data/0": bytes(4000)}),
        "packed.pt": torchscript({"archive/data.pkl": b"\x80\x02c__torch__\nM\nq\x00)\x81}b."}, zipfile.ZIP_DEFLATED),
        "samples/a.gif": b"GIF89a" + bytes(100),
        "samples/a.bmp": b"BM" + bytes(100),
        "samples/a.tiff": b"II*\0" + bytes(100),
    }
    for name, data in others.items():
        yield f"a file {name}", repack({**contents, name: data})
    tensors = {"weights.safetensors": safetensors({"a": [0, 4]}, 4)}
    size = len(tensors["weights.safetensors"])
    inside = external("weights.safetensors", str(size - 4), "4", "inside")
    yield (
        "weights inside the archive",
        with_graph({**contents, **tensors}, lambda graph: graph.initializer.append(inside)),
    )
    microsoft = helper.make_node("FusedMatMul", ["means", "means"], ["unused"], domain="com.microsoft")
    yield "an operator of ONNX Runtime", with_graph(contents, lambda graph: graph.node.append(microsoft))

    def add_function(model: onnx.ModelProto) -> None:
        node = helper.make_node("Identity", ["x"], ["y"])
        model.functions.append(helper.make_function("own", "F", ["x"], ["y"], [node], [helper.make_opsetid("", 18)]))
        model.graph.node.append(helper.make_node("F", ["means"], ["unused"], domain="own"))

    yield "a function of its own", with_model(contents, add_function)
    yield "metadata", with_model(contents, lambda model: model.metadata_props.add(key="location", value="../../a"))
    config = contents[CONFIG].decode()
    for what, text in {
        "a comment": config + "# the end\n",
        "quotes": config.replace("title: Colours", 'title: "Colours: all"'),
    }.items():
        yield f"a configuration with {what}", repack({**contents, CONFIG: text.encode()})
