"""What the files of an archive say of one another: that nothing names anything outside, and that all agree.

A server acts on the manifest and on model-config.yaml, a worker on settings.json, this tool on all of them: an archive
in which they differ would be judged by one and run by another.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, get_type_hints

from handlers.runtime import RUNTIMES
from handlers.settings import SETTINGS_FILE, Settings, SettingsError
from handlers.tasks import TASKS, load_task
from marina.errors import UnsafeArchive
from marina.model_config import CONFIG_FILE, VERSION, parse_model_config
from marina.packing import MANIFEST, show

ENTRY = "marina_entry.py"
ENTRY_SOURCE = b'"""The server enters here."""\nfrom handlers.entry import handle  # noqa: F401\n'
# Settings of the handler that are the server's: a name of `handlers.settings.Settings` -> TorchServe's key.
DERIVED = {"workers": "minWorkers", "batch_size": "batchSize", "timeout_s": "responseTimeout"}
# What a variant sets itself, whatever model-config.yaml says.
OF_THE_VARIANT = {"runtime", "precision", "file", "members"}
MANIFEST_KEYS = {"archiverVersion", "createdOn", "model", "runtime"}
MODEL_KEYS = {"configFile", "handler", "modelName", "modelVersion"}
MAX_DOCUMENT_BYTES = 4 << 20
# What the tool itself reads of any task's settings.
LIMITS = {"max_bytes": int, "max_pixels": int, "max_chars": int, "min_chars": int, "threads": int, "labels": list}
# Beside the standard library's: what the server, its workers or the handlers import, and what Python does by itself.
TAKEN_MODULES = {
    *("asynchat", "asyncore", "binhex", "distutils", "dummy_threading", "formatter", "imp", "macpath", "parser"),
    *("smtpd", "symbol", "sitecustomize", "usercustomize", "marina", "models", "ts", "mms", "numpy", "PIL"),
    *("onnxruntime", "openvino", "tokenizers", "torch", "torcheia", "torchvision", "psutil", "google", "future"),
}


def check_references(contents: Mapping[str, bytes], sizes: Mapping[str, int]) -> None:
    """Refuses an archive whose files name others than its own, or contradict one another. Raises UnsafeArchive."""
    for name in (MANIFEST, CONFIG_FILE, SETTINGS_FILE, ENTRY):
        if name not in sizes:
            raise UnsafeArchive(f"it has no {name}: it was not made by marina archive")
        if sizes[name] > MAX_DOCUMENT_BYTES:
            raise UnsafeArchive(f"its {name} is larger than it may be")
    check_modules(list(sizes))
    if contents[ENTRY] != ENTRY_SOURCE:
        raise UnsafeArchive(f"its {ENTRY} is not the entry that marina archive packs")
    check_manifest(read_document(contents, MANIFEST))
    settings = read_document(contents, SETTINGS_FILE)
    check_settings(settings, sizes)
    check_config(contents[CONFIG_FILE].decode(), settings, read_document(contents, MANIFEST)["model"]["modelVersion"])


def read_document(contents: Mapping[str, bytes], name: str) -> dict[str, Any]:
    """A JSON object in UTF-8, in which no key stands twice. Raises UnsafeArchive."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    try:
        text = contents[name].decode("utf-8")
        document = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise UnsafeArchive(f"its {name} can't be read: {error}") from error
    if not isinstance(document, dict):
        raise UnsafeArchive(f"its {name} must hold keys and values")
    return document


def check_modules(names: list[str]) -> None:
    """Refuses Python files that would be imported in another's place."""
    for name in names:
        path = PurePosixPath(name)
        root = path.parts[0] if len(path.parts) > 1 else path.stem
        if path.suffix != ".py" or name == ENTRY or (root == "handlers" and len(path.parts) == 2):
            continue
        if root in ("handlers", PurePosixPath(ENTRY).stem) or root in sys.stdlib_module_names or root in TAKEN_MODULES:
            raise UnsafeArchive(f"{show(name)} would be imported in the place of another module")
    for name in ("handlers/__init__.py", "handlers/entry.py"):
        if name not in names:
            raise UnsafeArchive(f"it has no {name}, which its entry imports")


def check_manifest(manifest: Mapping[str, Any]) -> None:
    """Refuses a manifest that says anything but the model's name and version: servers act on all of it."""
    model = manifest.get("model")
    if not isinstance(model, dict):
        raise UnsafeArchive(f"its {MANIFEST} names no model")
    for key in sorted({*manifest} - MANIFEST_KEYS | {*model} - MODEL_KEYS):
        raise UnsafeArchive(f"its {MANIFEST} has the key {show(key)}, which marina archive never writes")
    if model.get("handler") != f"{ENTRY}:handle":
        raise UnsafeArchive(f"its {MANIFEST} names another handler than {ENTRY}:handle")
    if model.get("configFile") != CONFIG_FILE or manifest.get("runtime", "python") != "python":
        raise UnsafeArchive(
            f"its {MANIFEST} names another configuration than {CONFIG_FILE}, or another runtime than python"
        )
    version = model.get("modelVersion")
    texts = [manifest.get("archiverVersion", ""), manifest.get("createdOn", ""), model.get("modelName"), version]
    if not all(isinstance(text, str) and len(text) <= 100 for text in texts) or not VERSION.fullmatch(str(version)):
        raise UnsafeArchive(f"its {MANIFEST} must name the model and its version")


def check_settings(settings: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
    """Refuses settings of the wrong type, and files that are not the archive's."""
    task = settings.get("task")
    if not isinstance(task, str) or (task not in TASKS and f"{task.partition(':')[0]}.py" not in sizes):
        raise UnsafeArchive(f"its {SETTINGS_FILE} names a task that is no handler's and no module of the archive")
    kind = load_task(task).settings_type if task in TASKS else Settings
    known = get_type_hints(kind)
    try:
        kind({name: value for name, value in settings.items() if name in known})
    except SettingsError as error:
        raise UnsafeArchive(f"its {SETTINGS_FILE}: {error}") from error
    for name, wanted in LIMITS.items():
        if name in settings and type(settings[name]) is not wanted:
            raise UnsafeArchive(f"its {SETTINGS_FILE}: handler.{name} must be of type {wanted.__name__}")
    if settings.get("runtime", "onnxruntime") not in RUNTIMES:
        raise UnsafeArchive(f"its {SETTINGS_FILE} names a runtime that is none of {', '.join(RUNTIMES)}")
    file = None if settings.get("members") and settings.get("file") == "" else settings.get("file")
    files = [file, settings.get("tokenizer"), *members_of(settings)]
    for file in files:
        if file is not None and file not in sizes:
            raise UnsafeArchive(f"its {SETTINGS_FILE} names {show(str(file))}, which is no file of the archive")
    for name, value in settings.items():
        if name != "labels" and any(leads_out(text) for text in texts_of(value)):
            raise UnsafeArchive(f"its {SETTINGS_FILE}: handler.{show(name)} leads out of the archive")


def members_of(settings: Mapping[str, Any]) -> list[Any]:
    members = settings.get("members", [])
    return members if isinstance(members, list) else [members]


def texts_of(value: Any) -> list[str]:
    """A setting's texts, also those in lists and mappings."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return [text for item in value for text in texts_of(item)]
    return [value] if isinstance(value, str) else []


def leads_out(text: str) -> bool:
    """Whether a text is a path that begins elsewhere or leads back."""
    return text.startswith(("/", "\\", "~")) or "://" in text or ".." in text.replace("\\", "/").split("/")


def check_config(text: str, settings: Mapping[str, Any], version: str) -> None:
    """Refuses a model-config.yaml that is not what the settings and the manifest were made of. Raises MarinaError."""
    server, handler, archive = parse_model_config(CONFIG_FILE, text)
    if archive.version != version:
        raise UnsafeArchive(f"its {CONFIG_FILE} and its {MANIFEST} differ in the version")
    expected = {name: server[key] for name, key in DERIVED.items()}
    expected |= {name: value for name, value in handler.items() if name not in OF_THE_VARIANT}
    for name, value in expected.items():
        if name not in settings or type(settings[name]) is not type(value) or settings[name] != value:
            raise UnsafeArchive(f"its {CONFIG_FILE} and its {SETTINGS_FILE} differ in {show(name)}")
    for file in (*archive.files, *archive.int8):
        if not isinstance(file, str) or leads_out(file):
            raise UnsafeArchive(f"its {CONFIG_FILE} names a file outside of the model's folder")
