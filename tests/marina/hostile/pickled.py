"""Pickles under any name, whole and broken off, and inside of other files."""

import gzip
import io
import pickle
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np

from tests.marina.hostile.making import Calls, Case, Contents, repack, tarred, torchscript


def pickles(contents: Contents, good: bytes) -> Iterator[Case]:
    """Pickles that run when they are loaded, under names that an archive may hold, and under others."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        harmful = pickle.dumps(Calls(), protocol)
        dressed = {
            "whole": harmful,
            "without its end": harmful[:-1],
            "with another end": harmful[:-1] + b"\xff",
            "twice": harmful * 2,
            "behind a harmless one": pickle.dumps([1, "two"], protocol) + harmful,
            "behind zeros": bytes(64) + harmful,
        }
        for what, data in dressed.items():
            yield f"protocol {protocol}, {what}", repack({**contents, "samples/notes.txt": data})
        for name in (
            "weights.safetensors",
            "other.onnx",
            "model.pt",
            "samples/a.json",
            "samples/a.png",
            "b.yaml",
            "a.pkl",
        ):
            yield f"protocol {protocol} as {name}", repack({**contents, name: harmful[:-1] + b"\xff"})
    texts = {
        "REDUCE that breaks off": b"cos\nsystem\n(S'true'\ntR and no more",
        "INST that breaks off": b"(S'true'\nios\nsystem\nand no more",
        "from the memo": b"cos\nsystem\np0\n0(S'true'\ntp1\n0g0\ng1\nR",
        "a changed sys.path": b"csys\npath\nS'/tmp'\na",
        "a changed environment": b"cos\nenviron\nS'A'\nS'B'\ns",
        "an import, whole": b"cos\nsystem\n.",
        "behind a title": b"# Notes (of the author)\n\ncposix\nsystem\n(S'true'\ntR.",
        "behind a byte order mark": b"\xef\xbb\xbfcposix\nsystem\n(S'true'\ntR.",
        "in valid UTF-8, without GLOBAL": b"U\x05posixU\x06systemq\xc2\x93(S'true'\ntR.",
    }
    for what, data in texts.items():
        for name in ("samples/notes.txt", "notes.md", "data.csv"):
            yield f"{what}, in {name}", repack({**contents, name: data})
    yield "in YAML", repack({**contents, "other.yaml": b"text: |\n  a\n" + b"cposix\nsystem\n(S'true'\ntR."})


def pickles_within(contents: Contents, good: bytes) -> Iterator[Case]:
    """Pickles inside of other files."""
    harmful = pickle.dumps(Calls())
    for what, data in {"whole": harmful, "with another end": harmful[:-1] + b"\xff"}.items():
        for member in (
            "archive/data.pkl",
            "archive/constants.pkl",
            "archive/extra/a.pkl",
            "archive/code/a.py.debug_pkl",
        ):
            for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                yield (
                    f"{what}, in TorchScript's {member}, {method}",
                    repack({**contents, "model.pt": torchscript({member: data}, method)}),
                )
    yield "an escape in TorchScript", repack({**contents, "model.pt": torchscript({"archive/../../a": b"x"})})
    yield (
        "a bomb in TorchScript",
        repack({**contents, "model.pt": torchscript({"archive/code/a.py": bytes(300_000_000)}, zipfile.ZIP_DEFLATED)}),
    )
    many = {f"archive/data/{number}": b"" for number in range(25_000)}
    yield "25,000 files in TorchScript", repack({**contents, "model.pt": torchscript(many)})
    checkpoint = io.BytesIO()
    with zipfile.ZipFile(checkpoint, "w") as archive:
        archive.writestr("archive/data.pkl", harmful)
    array = io.BytesIO()
    np.save(array, np.array([Calls()], dtype=object), allow_pickle=True)
    packed = {
        "a checkpoint": checkpoint.getvalue(),
        "an array of objects": array.getvalue(),
        "zlib": zlib.compress(harmful),
    }
    packed |= {"gzip": gzip.compress(harmful), "a tar": tarred({"a.pkl": harmful})}
    for what, data in packed.items():
        for name in (
            "model.pt",
            "weights.npy",
            "samples/a.txt",
            "graph2.onnx",
            "weights.safetensors",
            "a.joblib",
            "a.tar.gz",
        ):
            yield f"{what} as {name}", repack({**contents, name: data})
