"""A model's folder to an archive: collect, check, pack, and answer the samples with the result."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from model_archiver.model_archiver_config import ModelArchiverConfig
from model_archiver.model_packaging_utils import ModelExportUtils

from handlers.base import Handler
from handlers.settings import SETTINGS_FILE, SettingsError
from handlers.tasks import TASKS, load_task
from marina import provenance
from marina.errors import MarinaError
from marina.graphs import find_fault
from marina.model_config import CONFIG_FILE, ModelConfig, read_model_config
from marina.packing import MANIFEST, PROVENANCE, pack
from marina.places import HANDLERS, ROOT
from marina.verify import check_content

ENTRY = "marina_entry.py"
ENTRY_SOURCE = b'"""The server enters here."""\nfrom handlers.entry import handle  # noqa: F401\n'
VARIANTS = ("float32", "torchscript")
TORCHSCRIPT_FILE = "model.pt"
# Settings of the handler that are the server's: a name of `handlers.settings.Settings` -> TorchServe's key.
DERIVED = {"workers": "minWorkers", "batch_size": "batchSize", "timeout_s": "responseTimeout"}
# Long ago and always the same: an archive's bytes may not depend on when it was built.
CREATED_ON = "01/01/1980 00:00:00"
# Runs in a clean interpreter with the unpacked archive as its only source: proves that the archive needs nothing
# of the checkout, and prints what it answers to each of its samples.
CHECK = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(folder))
import marina_entry, handlers
from handlers.local import answer_all
samples = sorted((folder / "samples").glob("*")) if (folder / "samples").is_dir() else []
answers = answer_all(marina_entry.handle, folder, [path.read_bytes() for path in samples])
for name, module in sys.modules.items():
    if name.split(".")[0] in ("handlers", "marina", "models"):
        assert pathlib.Path(module.__file__).is_relative_to(folder), f"{name} comes from outside the archive"
print(json.dumps([[path.name, status, body] for path, (status, body) in zip(samples, answers)]))
"""


def build_archive(folder: Path, out: Path, variant: str = "float32") -> tuple[Path, list[tuple[str, str]]]:
    """Builds ``out/<model>.mar`` from a model's folder.

    Returns its path and what it answers to each of its samples (file name, JSON). Raises MarinaError.
    """
    config = read_model_config(folder)
    if variant not in VARIANTS:
        raise MarinaError(f"{variant!r} is no variant; there are: {', '.join(VARIANTS)}")
    contents = collect(config, variant)
    for name, content in contents.items():
        check_content(name, content)
    if variant == "float32":
        check_graphs(config, contents)
    contents[PROVENANCE] = encode(provenance.describe(folder, variant, contents))
    data = pack(contents)
    answers = answer_samples(data)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{config.name}.mar"
    write_whole(path, data)
    return path, answers


def collect(config: ModelConfig, variant: str) -> dict[str, bytes]:
    """Every file of the archive but its provenance."""
    settings = handler_settings(config, variant)
    contents = {f"handlers/{path.name}": path.read_bytes() for path in sorted(HANDLERS.glob("*.py"))}
    contents[ENTRY] = ENTRY_SOURCE
    contents[SETTINGS_FILE] = encode(settings)
    contents[MANIFEST] = manifest(config)
    contents |= {f"samples/{path.name}": path.read_bytes() for path in config.samples}
    names = [CONFIG_FILE]
    if settings["task"] not in TASKS:
        names.append(settings["task"].partition(":")[0] + ".py")
    if variant == "torchscript":
        contents[TORCHSCRIPT_FILE] = export_torchscript(config)
    else:
        names += [*graph_sizes(settings), *config.archive.files]
    for name in names:
        path = config.folder / name
        if not path.is_file() or not path.resolve().is_relative_to(config.folder.resolve()):
            raise MarinaError(f"{config.folder} has no file {name}")
        contents[name] = path.read_bytes()
    return contents


def check_graphs(config: ModelConfig, contents: Mapping[str, bytes]) -> None:
    """Refuses a graph that does not take the pixels that an image handler hands it. Raises MarinaError."""
    settings = json.loads(contents[SETTINGS_FILE])
    for file, size in graph_sizes(settings).items():
        fault = find_fault(contents[file], size) if size and settings["input"] == "image" else ""
        if fault:
            raise MarinaError(f"{config.folder / file}: {fault}")


def graph_sizes(settings: Mapping[str, Any]) -> dict[str, int | None]:
    """The files that hold the model's graphs, with the side in pixels of the square that each takes, if it does."""
    if "members" in settings:
        return dict(zip(settings["members"], settings["sizes"], strict=True))
    return {settings["file"]: settings.get("size")}


def handler_settings(config: ModelConfig, variant: str) -> dict[str, Any]:
    """What the handler will read, checked and completed by the task's own class."""
    settings = dict(config.handler)
    for name, key in DERIVED.items():
        if name in settings:
            raise MarinaError(f"{config.folder / CONFIG_FILE}: handler.{name} is set by {key}")
        settings[name] = config.server[key]
    if variant == "torchscript":
        if "members" in settings:
            raise MarinaError(f"{config.folder}: an ensemble has no torchscript variant")
        settings |= {"runtime": "torchscript", "file": TORCHSCRIPT_FILE}
    try:
        return find_task(config).settings_type(settings).as_dict()
    except (SettingsError, ValueError) as error:
        raise MarinaError(f"{config.folder / CONFIG_FILE}: {error}") from error


def find_task(config: ModelConfig) -> type[Handler]:
    """The class that handles a model: one of the handlers', or one that the model's folder brings itself."""
    task = str(config.handler.get("task", ""))
    if ":" not in task:
        return load_task(task)
    try:
        with importable(config.folder, task.partition(":")[0]):
            return load_task(task)
    except (ImportError, AttributeError) as error:
        raise MarinaError(f"{config.folder}: handler.task {task!r} can't be loaded: {error}") from error


@contextmanager
def importable(folder: Path, module: str) -> Iterator[None]:
    """Lets a module be imported from a folder, anew even where another folder has one of that name."""
    sys.modules.pop(module, None)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def export_torchscript(config: ModelConfig) -> bytes:
    """The model's torch module, with the shipped weights, traced on the handler's own example. Needs torch."""
    module_name, _, function_name = config.archive.module.partition(":")
    if not function_name or not config.archive.files:
        raise MarinaError(
            f"{config.folder}: the torchscript variant needs archive.module, the function that loads the torch module, "
            "and archive.files, the weights that it loads"
        )
    try:
        import torch
    except ImportError as error:
        raise MarinaError("the torchscript variant needs torch: see requirements/torch.txt") from error
    with importable(ROOT, module_name):
        load: Callable[[Path], Any] = getattr(importlib.import_module(module_name), function_name)
        module = load(config.folder / config.archive.files[0]).eval()
    handler = find_task(config)()
    handler.settings = handler.settings_type(dict(config.handler))
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # torch recommends its newer formats, which TorchServe and the Elastic Inference image can't load.
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(module, torch.from_numpy(handler.example()).unsqueeze(0))
        torch.jit.save(traced, str(Path(folder) / TORCHSCRIPT_FILE))
        return (Path(folder) / TORCHSCRIPT_FILE).read_bytes()


def manifest(config: ModelConfig) -> bytes:
    """MAR-INF/MANIFEST.json as torch-model-archiver writes it, without the time."""
    archiver = ModelArchiverConfig(
        model_name=config.name,
        handler=f"{ENTRY}:handle",
        version=config.archive.version,
        config_file=CONFIG_FILE,
    )
    document = json.loads(ModelExportUtils.generate_manifest_json(archiver))
    document["createdOn"] = CREATED_ON
    return encode(document)


def answer_samples(data: bytes) -> list[tuple[str, str]]:
    """What the packed archive answers to its samples, asked in a clean interpreter outside the checkout."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        (folder / "archive.mar").write_bytes(data)
        with zipfile.ZipFile(folder / "archive.mar") as archive:
            archive.extractall(folder / "unpacked")
        command = [sys.executable, "-I", "-c", CHECK, str(folder / "unpacked")]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        # The last line of a traceback is what went wrong; the lines above are about this tool.
        reason = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise MarinaError(f"the packed archive does not work on its own: {reason}")
    answers = json.loads(done.stdout.splitlines()[-1])
    for sample, status, body in answers:
        if status != 200:
            raise MarinaError(f"the packed archive answers its own sample {sample} with {status}: {body}")
    return [(sample, body) for sample, _, body in answers]


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file so that whoever reads it meanwhile sees the old one or the new one, never a part."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(data)
    partial.replace(path)


def encode(document: Any) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
