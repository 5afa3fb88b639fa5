"""The archives that are measured: built as a user builds them, and told by their own files."""

import json
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.rows import Row
from benchmarks.servers import ROOT

STORE = ROOT / "model_store"
MODELS = ("resnet18", "ner", "readability", "handwriting")
INT8 = ("int8", "mixed")  # variants that are built from ranges of a model's activations
# What the trained weights are judged by: where a model's figures have it.
METRICS = {
    "top-1": (("test", "accuracy"), ("ensemble", "top_1")),
    "F1": (("corpora", "wikigold_test", "all", "f1"),),
    "RMSE": (("test", "rmse"),),
}


@dataclass(frozen=True)
class Archive:
    """A packed archive and its unpacked files, for as long as the block that unpacked it."""

    path: Path
    folder: Path
    settings: dict[str, Any]  # as they were packed
    provenance: dict[str, Any]

    @property
    def samples(self) -> list[Path]:
        return sorted((self.folder / "samples").iterdir())

    def describe(self) -> Row:
        """What every row about it says."""
        return {
            "model": self.path.stem,
            "variant": self.provenance["variant"],
            "runtime": self.settings["runtime"],
            "archive_bytes": self.path.stat().st_size,
            **describe_quality(self.provenance),
        }

    def set_threads(self, threads: int, batch: int) -> None:
        """Gives a worker so many threads, and has it warmed up with such batches."""
        settings = self.settings | {"batch_size": batch}
        if "threads" in settings:
            settings["threads"] = threads
        (self.folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")


@contextmanager
def unpacked(path: Path) -> Iterator[Archive]:
    """An archive with its files in a folder of their own, until the block ends."""
    with TemporaryDirectory() as name:
        with zipfile.ZipFile(path) as file:
            file.extractall(name)
        documents = (Path(name) / file for file in ("settings.json", "provenance.json"))
        yield Archive(path, Path(name), *(json.loads(document.read_text(encoding="utf-8")) for document in documents))


def build_archive(model: str, models: Path, out: Path, variant: str | None = None, runtime: str | None = None) -> Path:
    """`marina archive`; without a variant and a runtime, those that the model's settings name."""
    command: list[str | Path] = [ROOT / ".venv/bin/marina", "archive", model, "--models", models, "--out", out]
    command += [] if variant is None else ["--variant", variant]
    command += [] if runtime is None else ["--runtime", runtime]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return out / f"{model}.mar"


def build_folder(folder: Path, out: Path, variant: str | None = None, runtime: str | None = None) -> Path:
    """The archive of an exported model's folder, the ranges that int8 needs measured first."""
    if variant in INT8 and not (folder / "ranges.json").exists():
        command = [ROOT / ".venv/bin/marina", "variants", folder.name, "--models", folder.parent, "--write"]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return build_archive(folder.name, folder.parent, out, variant, runtime)


def find_archive(model: str, scratch: Path, variant: str | None = None, runtime: str | None = None) -> Path:
    """The archive that is served by default; where a variant or a runtime is named, that one, built in ``scratch``."""
    if variant is not None or runtime is not None:
        return build_archive(model, ROOT / "models", scratch, variant, runtime)
    path = STORE / f"{model}.mar"
    return path if path.exists() else build_archive(model, ROOT / "models", STORE)


def describe_quality(provenance: Mapping[str, Any]) -> Row:
    """What the packed variant reaches on labelled data, and how much worse than float32 it is; empty if unknown."""
    measured = provenance.get("measured") or {}
    if measured.get("value") is not None:
        return {"quality": f"{measured['metric']} {measured['value']}", "quality_drop": measured["drop"]}
    figures = provenance.get("quality", {}).get(provenance["variant"], {})
    return {"quality": tell_quality(figures), "quality_drop": ""}


def tell_quality(figures: Mapping[str, Any]) -> str:
    """The figure that trained weights are judged by, such as "top-1 0.8219"; nothing where there is none."""
    for name, places in METRICS.items():
        for place in places:
            if (value := look_up(figures, place)) is not None:
                return f"{name} {value}"
    return ""


def look_up(figures: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    found: Any = figures
    for key in place:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
