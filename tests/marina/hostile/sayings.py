"""Files that say something else than they may: Python in another's place, manifests, settings, configurations."""

import json
from collections.abc import Iterator
from typing import Any

from marina.packing import MANIFEST, PROVENANCE, pack
from tests.marina.hostile.making import CONFIG, ENTRY, EVIL, SETTINGS, Case, Contents, repack, with_manifest


def python_files(contents: Contents, good: bytes) -> Iterator[Case]:
    shadows = [
        "json.py",
        "os.py",
        "io.py",
        "logging.py",
        "typing.py",
        "uuid.py",
        "numpy.py",
        "torch.py",
        "onnxruntime.py",
    ]
    shadows += [
        "PIL/__init__.py",
        "json/__init__.py",
        "numpy/core.py",
        "ts.py",
        "mms.py",
        "sitecustomize.py",
        "usercustomize.py",
    ]
    shadows += [
        "handlers.py",
        "handlers/base/__init__.py",
        "marina_entry/__init__.py",
        "imp.py",
        "openvino/__init__.py",
        "psutil.py",
    ]
    for name in shadows:
        yield f"{name} that shadows", repack({**contents, name: EVIL})
    for name in (
        "a.pth",
        "handlers/base.so",
        "handlers/base.pyc",
        "handlers/base.pyd",
        "a.sh",
        "run",
        "handlers/__pycache__/base.cpython-311.pyc",
        "a.PY",
        "a.pyw",
        "a.dll",
        "a.exe",
        "a.jar",
        "a.class",
        "a.zip",
        "a.whl",
        "a.egg",
        "requirements",
        "pyvenv.cfg",
        "a.toml",
        ".env",
        "a.html",
        "a.svg",
        "a.xml",
        "a.ort",
        "a.bin",
        "a.npz",
        "a.h5",
    ):
        yield f"a file {name}", repack({**contents, name: EVIL})
    yield "another entry", repack({**contents, ENTRY: EVIL + contents[ENTRY]})
    yield "an entry with a line more", repack({**contents, ENTRY: contents[ENTRY] + b"\n"})
    yield "Python that is no text", repack({**contents, "helper.py": b"\xff\xfe" + EVIL})
    yield "Python with a zero", repack({**contents, "helper.py": b"# \0\n" + EVIL})


def manifests(contents: Contents, good: bytes) -> Iterator[Case]:
    sound = json.loads(contents[MANIFEST])
    handlers = [
        "../../../../evil.py:handle",
        "/tmp/evil.py:handle",
        "evil.py:handle",
        "marina_entry.py:other",
        "marina_entry.py",
        "./marina_entry.py:handle",
        "marina_entry.py:handle ",
        "handlers/entry.py:handle",
        "marina_entry:handle",
        "image_classifier",
        "",
        None,
        ["marina_entry.py:handle"],
        "MARINA_ENTRY.py:handle",
        "handlers/../marina_entry.py:handle",
    ]
    for handler in handlers:
        yield (
            f"the handler {handler!r}",
            with_manifest(contents, sound | {"model": sound["model"] | {"handler": handler}}),
        )
    extras: dict[str, Any] = {
        "serializedFile": "../../weights.pt",
        "modelFile": "/tmp/model.py",
        "requirementsFile": "requirements.txt",
        "extensions": {"a": "../b"},
        "modelMode": "x",
        "envelope": "json",
        "modelVersionX": 1,
        "socketType": "tcp",
        "description": "x",
    }
    for key, value in extras.items():
        yield f"the key {key}", with_manifest(contents, sound | {"model": sound["model"] | {key: value}})
    for key, value in {
        "configFile": "../model-config.yaml",
        "modelName": 3,
        "modelVersion": "../1",
        "modelVersionx": "1",
    }.items():
        yield f"{key} {value!r}", with_manifest(contents, sound | {"model": sound["model"] | {key: value}})
    tops: dict[str, Any] = {
        "runtime": "/tmp/evil",
        "specificationVersion": "1.0",
        "engine": {"engineName": "x"},
        "license": "x",
        "workflow": {"a": 1},
        "publisher": {},
        "archiverVersion": 12,
    }
    for key, value in tops.items():
        yield f"the key {key} at the top", with_manifest(contents, sound | {key: value})
    yield (
        "another configuration",
        with_manifest(
            {**contents, "other.yaml": contents[CONFIG]},
            sound | {"model": sound["model"] | {"configFile": "other.yaml"}},
        ),
    )
    for model in (None, [], "x", {}):
        yield f"the model {model!r}", with_manifest(contents, sound | {"model": model})
    yield "no model", with_manifest(contents, {key: value for key, value in sound.items() if key != "model"})
    text = json.dumps(sound)
    for what, data in {
        "a key twice": text.replace('"handler"', '"handler": "evil.py:handle", "handler"', 1).encode(),
        "a list": b"[]",
        "no JSON": b"{",
        "UTF-16": text.encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + text.encode(),
        "JSON with a comment": text.encode() + b" // x",
        "an escaped key twice": text.replace('"handler"', '"h\\u0061ndler": "evil.py:handle", "handler"', 1).encode(),
        "two documents": text.encode() * 2,
        "depth": b"[" * 100_000,
    }.items():
        yield what, repack({**contents, MANIFEST: data})


def settings(contents: Contents, good: bytes) -> Iterator[Case]:
    sound = json.loads(contents[SETTINGS])
    changes: list[dict[str, Any]] = [
        {"file": "../../graph.onnx"},
        {"file": "/etc/passwd"},
        {"file": "./graph.onnx"},
        {"file": "missing.onnx"},
        {"file": "graph.onnx\0"},
        {"file": ""},
        {"file": 3},
        {"members": ["../a.onnx"]},
        {"members": "graph.onnx/"},
        {"tokenizer": "/etc/passwd"},
        {"tokenizer": "../tokenizer.json"},
        {"vocabulary": "../../vocabulary.txt"},
        {"vocabulary": {"a": ["/etc/passwd"]}},
        {"download": "https://example.org/a"},
        {"task": "evil:Class"},
        {"task": "os:system"},
        {"task": "handlers.base:Handler"},
        {"task": None},
        {"runtime": "evil"},
        {"max_bytes": "x"},
        {"max_bytes": 1e9},
        {"max_bytes": True},
        {"max_pixels": None},
        {"labels": "red"},
        {"labels": [1, 2, 3]},
        {"threads": -1},
        {"batch_size": 5000},
        {"workers": 99},
        {"timeout_s": 10_000},
        {"size": 64},
        {"top": 2},
        {"labels": ["blue", "green", "red"]},
    ]
    for change in changes:
        yield str(change), repack({**contents, SETTINGS: json.dumps(sound | change).encode()})
    for name in ("task", "labels", "size", "max_bytes"):
        left = {key: value for key, value in sound.items() if key != name}
        yield f"without {name}", repack({**contents, SETTINGS: json.dumps(left).encode()})
    text = json.dumps(sound)
    for what, data in {
        "a key twice": text.replace('"file"', '"file": "/etc/passwd", "file"', 1).encode(),
        "a list": b"[]",
        "NaN": text.replace("{", '{"x": NaN, ', 1).encode(),
        "UTF-16": text.encode("utf-16"),
    }.items():
        yield what, repack({**contents, SETTINGS: data})


def configs(contents: Contents, good: bytes) -> Iterator[Case]:
    text = contents[CONFIG].decode()
    bomb = "\n".join(["a0: &a0 [x]"] + [f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]" for n in range(9)])
    documents = {
        "another batch size than the settings": text.replace("batchSize: 4", "batchSize: 400"),
        "other labels than the settings": text.replace("[red, green, blue]", "[red, blue, green]"),
        "another task than the settings": text.replace("task: image_classification", "task: readability"),
        "a key more than the settings": text.replace("  top: 3", "  top: 3\n  tops: 3"),
        "other limits than the settings": text.replace("max_bytes: 200000", "max_bytes: 2000000"),
        "useVenv": text + "useVenv: true\n",
        "parallelType": text + "parallelType: custom\n",
        "a torchrun section": text + "torchrun:\n  nproc-per-node: 4\n",
        "a Python tag": text + "x: !!python/object/apply:os.system ['true']\n",
        "a Java tag": text + "x: !!javax.script.ScriptEngineManager [!!java.net.URLClassLoader [[]]]\n",
        "a tag of its own": text + "x: !evil y\n",
        "a plain tag": text.replace("batchSize: 4", "batchSize: !!int 4"),
        "a directive": "%TAG ! tag:evil,2000:\n---\n" + text,
        "a version": "%YAML 1.1\n---\n" + text,
        "two documents": text + "---\n" + text,
        "an anchor": text.replace("minWorkers: 1", "minWorkers: &one 1"),
        "an alias": text.replace("minWorkers: 1\nmaxWorkers: 4", "minWorkers: &one 1\nmaxWorkers: *one"),
        "a merge": text + "<<: {useVenv: true}\n",
        "a bomb of aliases": bomb + "\n" + text,
        "depth": text + "x: " + "[" * 10_000 + "]" * 10_000 + "\n",
        "depth of mappings": text + "x: " + "{a: " * 10_000 + "}" * 10_000 + "\n",
        "a key twice": text + "batchSize: 4\n",
        "a key twice in the handler": text.replace("  top: 3", "  top: 3\n  top: 3"),
        "a file outside": text + "  files: [../../weights.safetensors]\n",
        "an absolute file": text + "  files: [/etc/passwd]\n",
        "a list": "- a\n",
        "nothing": "",
        "a tab": text.replace("  top: 3", "\ttop: 3"),
        "a zero": text + "# \0\n",
        "another version than the manifest": text.replace('version: "1.0"', 'version: "1.1"'),
        "a route of the door's": text + "  route: predictions\n",
        "a route that leads out": text + "  route: ../x\n",
        "a route with a line": text + '  route: "a;\\nb"\n',
        "UTF-16": text.encode("utf-16"),
        "half a sign": text.encode() + b"# \xc3\n",
        "2 MB": text + "# " + "x" * 2_000_000 + "\n",
    }
    for what, document in documents.items():
        data = document if isinstance(document, bytes) else document.encode()
        assert data != contents[CONFIG], what
        yield what, repack({**contents, CONFIG: data})


def provenances(contents: Contents, good: bytes) -> Iterator[Case]:
    sound = json.loads(contents[PROVENANCE])
    files = sound["files"]
    for what, document in {
        "no files": {key: value for key, value in sound.items() if key != "files"},
        "files of a list": sound | {"files": []},
        "a file too few": sound | {"files": {key: value for key, value in files.items() if key != "graph.onnx"}},
        "a file too many": sound | {"files": files | {"../../evil.py": "0" * 64}},
        "a wrong digest": sound | {"files": files | {"graph.onnx": "0" * 64}},
        "a digest of no text": sound | {"files": files | {"graph.onnx": None}},
        "a digest in capitals": sound | {"files": {key: value.upper() for key, value in files.items()}},
        "no variant": {key: value for key, value in sound.items() if key != "variant"},
        "a quality of text": sound | {"quality": "good"},
        "a list": [sound],
    }.items():
        yield what, pack({**contents, PROVENANCE: json.dumps(document).encode()})
    text = json.dumps(sound)
    yield "files twice", pack({**contents, PROVENANCE: text.replace('"files"', '"files": {}, "files"', 1).encode()})
    yield "no JSON", pack({**contents, PROVENANCE: b"{"})
    yield "depth", pack({**contents, PROVENANCE: b'{"files": ' + b"[" * 100_000})
