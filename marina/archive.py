"""A model's folder to an archive: collect, check, pack, and answer the samples with the result."""

import json
import os
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, get_type_hints

from google.protobuf.message import DecodeError
from model_archiver.model_archiver_config import ModelArchiverConfig
from model_archiver.model_packaging_utils import ModelExportUtils

from handlers.settings import SETTINGS_FILE, Settings, SettingsError
from handlers.tasks import TASKS
from marina import provenance
from marina.asking import ask_archive
from marina.errors import MarinaError, UnsafeArchive
from marina.gate import Refused, agreement, check_agreement
from marina.graphs import find_fault, find_output
from marina.model_code import find_task
from marina.model_config import CONFIG_FILE, ModelConfig, read_model_config
from marina.packing import MANIFEST, PROVENANCE, Bytes, pack
from marina.places import HANDLERS
from marina.quantize import embed, external_files, quantize
from marina.references import DERIVED, ENTRY, ENTRY_SOURCE, leads_out
from marina.tracing import find_traced_output, trace_modules
from marina.variants import RANGES, VARIANTS, check_variant, find_measured, read_measured, read_ranges
from marina.verify import check_files

TORCHSCRIPT = ".pt"
# Settings of a handler whose model is on a GPU, where it has them and nothing else is said: one half of a batch is
# computed while the other is decoded, and a call is worth its while with many tokens.
ON_GPU = {"parts": 2, "slice_tokens": 16384}
UNJUDGED = ("float32", "torchscript")  # what others are judged beside, and the same in another format
# Long ago and always the same: an archive's bytes may not depend on when it was built.
CREATED_ON = "01/01/1980 00:00:00"


@dataclass(frozen=True)
class Elsewhere:
    """What another environment than this one does for an archive."""

    traced: Path | None = None  # the TorchScript that it has made of the model; traced here where there is none
    python: str | None = sys.executable  # the interpreter that answers the samples; none is asked where there is none


def build_archive(
    folder: Path,
    out: Path,
    variant: str | None = None,
    runtime: str | None = None,
    elsewhere: Elsewhere = Elsewhere(),
) -> tuple[Path, list[tuple[str, str]]]:
    """Builds ``out/<model>.mar`` from a model's folder, as the variant and for the runtime that its settings name.

    Returns its path and what it answers to each of its samples (file name, JSON). Raises MarinaError, and Refused
    where the variant's answers are too far from float32's.
    """
    config = read_model_config(folder)
    variant, runtime = choose(config, variant, runtime)
    if elsewhere.python is None and variant not in UNJUDGED:
        raise MarinaError(f"{variant} is judged by its answers, so it has to be asked")
    data = pack_variant(config, variant, runtime, elsewhere.traced)
    answers = ask_samples(config, variant, data, elsewhere.python) if elsewhere.python else []
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{config.name}.mar"
    write_whole(path, data)
    return path, answers


def ask_samples(config: ModelConfig, variant: str, data: bytes, python: str) -> list[tuple[str, str]]:
    """What a packed archive answers to each of its samples. Raises MarinaError, and Refused as ``build_archive``."""
    asked = ask_archive(data, [path.read_bytes() for path in config.samples], python=python)
    for sample, (status, body) in zip(config.samples, asked.answers, strict=True):
        if status != 200:
            raise MarinaError(f"the packed archive answers its own sample {sample.name} with {status}: {body}")
    if variant not in UNJUDGED:
        check_variant_answers(config, variant, asked.parsed())
    return [(path.name, body) for path, (_, body) in zip(config.samples, asked.answers, strict=True)]


def choose(config: ModelConfig, variant: str | None, runtime: str | None) -> tuple[str, str]:
    """The variant and the runtime: those that are named, else the model's own. Raises MarinaError."""
    variant = variant or config.archive.variant
    own = str(config.handler.get("runtime", "onnxruntime"))
    if variant in VARIANTS and own not in VARIANTS[variant].runtimes:
        own = VARIANTS[variant].runtimes[0]
    check_variant(variant, runtime or own)
    return variant, runtime or own


def pack_variant(config: ModelConfig, variant: str, runtime: str, traced: Path | None = None) -> bytes:
    """The archive, not yet judged. Raises MarinaError."""
    contents = collect(config, variant, runtime, traced)
    try:
        check_files(contents, {name: Bytes(content) for name, content in contents.items()})
    except UnsafeArchive as error:
        raise MarinaError(f"{config.folder} can't be packed: {error}") from error
    if not VARIANTS[variant].is_traced:
        check_graphs(config, contents)
    measured = find_measured(read_measured(config.folder), variant, runtime)
    if measured and measured.sha256 != provenance.model_digest(contents):
        measured = None  # it was another file
    if measured and not measured.passed:
        raise Refused(measured.reason)
    contents[PROVENANCE] = encode(provenance.describe(config.folder, variant, runtime, measured, contents))
    return pack(contents)


def check_variant_answers(config: ModelConfig, variant: str, answers: list[Any]) -> None:
    """Refuses a variant that does not answer the samples as float32 does. Raises Refused."""
    section = config.archive
    if not config.samples and section.min_agreement > 0:
        raise Refused(f"{variant} is refused: {config.name} has no samples to compare its answers on")
    reference = pack_variant(config, "float32", "onnxruntime")
    references = ask_archive(reference, [path.read_bytes() for path in config.samples]).parsed()
    found = agreement(answers, references, section.max_difference)
    check_agreement(variant, found, section.min_agreement, len(answers))


def collect(config: ModelConfig, variant: str, runtime: str, traced: Path | None = None) -> dict[str, bytes]:
    """Every file of the archive but its provenance."""
    settings = handler_settings(config, variant, runtime)
    contents = {f"handlers/{path.name}": path.read_bytes() for path in sorted(HANDLERS.glob("*.py"))}
    contents[ENTRY] = ENTRY_SOURCE
    contents[MANIFEST] = manifest(config)
    contents |= {f"samples/{unicodedata.normalize('NFC', path.name)}": path.read_bytes() for path in config.samples}
    names = [CONFIG_FILE]
    if settings["task"] not in TASKS:
        names.append(settings["task"].partition(":")[0] + ".py")
    files = list(graph_sizes(settings))
    if VARIANTS[variant].is_traced:
        scripts = read_traced(traced, files) if traced else trace_modules(config, variant, settings, files)
        found = find_outputs(config, settings, lambda file: find_traced_output(scripts[file]))
        settings |= {name: value for name, value in found.items() if name in settings}
        contents |= scripts
        names += config.archive.files[1:]  # the first are the weights, which TorchScript holds
    else:
        names += [*files, *config.archive.files]
    contents[SETTINGS_FILE] = encode(settings)
    contents |= {name: read_file(config, name) for name in names}
    if VARIANTS[variant].is_int8:
        return quantize_graphs(config, contents, files)
    return contents if VARIANTS[variant].is_traced else embed_graphs(config, contents, files)


def embed_graphs(config: ModelConfig, contents: dict[str, bytes], graphs: Iterable[str]) -> dict[str, bytes]:
    """The same files; a graph whose weights are in files that ``archive.files`` does not name holds them itself."""
    for name in graphs:
        folder = PurePosixPath(name).parent
        if any(str(folder / file) not in contents for file in external_files(name, contents[name])):
            contents[name] = embed(config.folder / name)
    return contents


def read_traced(path: Path, files: Sequence[str]) -> dict[str, bytes]:
    """TorchScript that was traced elsewhere, as the one file that the handler loads. Raises MarinaError."""
    if len(files) != 1:
        raise MarinaError(f"{path} is one TorchScript, and the model has {len(files)}: {', '.join(files)}")
    return {files[0]: path.read_bytes()}


def read_file(config: ModelConfig, name: str) -> bytes:
    """A file of the model's folder, or what a link in it leads to. Raises MarinaError where there is none."""
    path = config.folder / name
    if not isinstance(name, str) or leads_out(name) or not path.is_file():
        raise MarinaError(f"{config.folder} has no file {name}")
    return path.read_bytes()


def quantize_graphs(config: ModelConfig, contents: dict[str, bytes], graphs: Iterable[str]) -> dict[str, bytes]:
    """The same files with int8 graphs in place of those that ``archive.int8`` names, or of all.

    Each graph holds its own weights then, so the file that they shared is left out.
    """
    ranges = read_ranges(config)
    chosen = config.archive.int8 or tuple(graphs)
    for name in chosen:
        if name not in contents or name not in ranges:
            raise MarinaError(f"{config.folder}: int8 needs the graph {name} and its ranges in {RANGES}")
    outside = set().union(*(external_files(name, contents[name]) for name in graphs))
    others = {name: data for name, data in contents.items() if name not in outside}
    for name in graphs:
        path = config.folder / name
        others[name] = quantize(path, ranges[name]) if name in chosen else embed(path)
    return others


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


def handler_settings(config: ModelConfig, variant: str, runtime: str) -> dict[str, Any]:
    """What the handler will read, checked and completed by the task's own class."""
    settings = dict(config.handler)
    for name, key in DERIVED.items():
        if name in settings:
            raise MarinaError(f"{config.folder / CONFIG_FILE}: handler.{name} is set by {key}")
        settings[name] = config.server[key]
    if "precision" in settings:
        raise MarinaError(f"{config.folder / CONFIG_FILE}: handler.precision is the variant's: set archive.variant")
    settings |= {"runtime": runtime, "precision": VARIANTS[variant].precision}
    found = find_outputs(config, settings, lambda file: find_file_output(config.folder / file))
    if VARIANTS[variant].is_traced:
        if "members" in settings:
            settings["members"] = [str(Path(file).with_suffix(TORCHSCRIPT)) for file in settings["members"]]
        else:
            settings["file"] = "model" + TORCHSCRIPT
    try:
        task = find_task(config).settings_type
        known = get_type_hints(task)
        more = found | (ON_GPU if variant == "float16" else {})
        complete = task({name: value for name, value in more.items() if name in known} | settings).as_dict()
    except (SettingsError, ValueError) as error:
        raise MarinaError(f"{config.folder / CONFIG_FILE}: {error}") from error
    check_labels(config, complete.get("labels", []))
    return complete


def check_labels(config: ModelConfig, labels: Sequence[str]) -> None:
    """Refuses labels that stand twice: an answer has room for one of them. Raises MarinaError."""
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        raise MarinaError(
            f"{config.folder / CONFIG_FILE}: handler.labels holds {', '.join(map(repr, twice[:5]))} twice"
        )


def find_outputs(config: ModelConfig, settings: Mapping[str, Any], find: Callable[[str], str]) -> dict[str, Any]:
    """What the model gives, "logits" or "probabilities", where model-config.yaml does not say it.

    ``find`` tells it of a file; it gives nothing for one that is not there.
    """
    if "members" in settings:
        files = settings["members"] if isinstance(settings["members"], list) else []
        kinds = [find(str(file)) for file in files]
        return {"outputs": kinds} if "outputs" not in config.handler and all(kinds) else {}
    kind = find(str(settings.get("file", Settings.file)))
    return {"output": kind} if kind and "output" not in config.handler else {}


def find_file_output(path: Path) -> str:
    """What the graph in a file gives; nothing where there is no graph."""
    try:
        return find_output(path.read_bytes())
    except (OSError, ValueError, DecodeError):
        return ""


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


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file so that whoever reads it meanwhile sees the old one or the new one, never a part."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(data)
    partial.replace(path)


def encode(document: Any) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
