"""The variants of a model: what each computes in, which can be tried here, and what was measured of them."""

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from handlers.runtime import has_bf16
from marina.errors import MarinaError
from marina.model_config import ModelConfig

RANGES = "ranges.json"  # of every activation, for int8; in the model's folder
MEASURED = "variants.json"  # what was measured of each variant; in the model's folder


@dataclass(frozen=True)
class Variant:
    """How a model computes: ``precision`` is OpenVINO's where the graph is in floats."""

    is_int8: bool
    precision: str
    runtimes: tuple[str, ...]

    @property
    def is_traced(self) -> bool:
        """Whether it is TorchScript, which torch makes of the model's module."""
        return "torchscript" in self.runtimes


VARIANTS = {
    "float32": Variant(False, "float32", ("onnxruntime", "openvino")),
    "bf16": Variant(False, "bf16", ("openvino",)),
    "int8": Variant(True, "float32", ("onnxruntime", "openvino")),
    "mixed": Variant(True, "bf16", ("openvino",)),  # int8, and bf16 where int8 is not
    "torchscript": Variant(False, "float32", ("torchscript", "eia")),
    "float16": Variant(False, "float16", ("torchscript",)),  # for GPUs
}


@dataclass(frozen=True)
class Measured:
    """What was measured of one variant in one runtime, beside float32 in ONNX Runtime."""

    variant: str
    runtime: str
    sha256: str  # of the model's files in the archive
    metric: str  # such as accuracy; empty where no labelled data was at hand
    value: float | None
    drop: float | None  # how much worse than float32; below 0 it is better
    agreement: float  # the share of inputs answered alike
    speed_up: float  # in inputs a second, in full batches, decoding included
    passed: bool
    reason: str  # why it was refused


def candidates(config: ModelConfig) -> list[tuple[str, str]]:
    """(variant, runtime) of everything that can be built and run on this machine, without torch; float32 first."""
    if config.handler.get("runtime") == "torchscript":
        return []
    found = []
    for name, variant in VARIANTS.items():
        if variant.is_int8 and not (config.folder / RANGES).is_file():
            continue
        if variant.precision == "bf16" and not computes_bf16():
            continue
        found += [(name, runtime) for runtime in variant.runtimes if importlib.util.find_spec(runtime)]
    return found


def computes_bf16() -> bool:
    """Whether this machine has OpenVINO, and a processor that computes in bf16."""
    try:
        import openvino
    except ImportError:
        return False
    return has_bf16(openvino.Core())


def check_variant(variant: str, runtime: str) -> None:
    """Raises MarinaError where there is no such variant, or not in that runtime."""
    if variant not in VARIANTS:
        raise MarinaError(f"{variant!r} is no variant; there are: {', '.join(VARIANTS)}")
    if runtime not in VARIANTS[variant].runtimes:
        raise MarinaError(f"{variant} runs in {' or '.join(VARIANTS[variant].runtimes)}, not in {runtime}")


def read_ranges(config: ModelConfig) -> dict[str, dict[str, tuple[float, float]]]:
    """Graph -> tensor -> its lowest and highest value. Raises MarinaError where they were never measured."""
    path = config.folder / RANGES
    if not path.is_file():
        raise MarinaError(
            f"{config.folder} has no {RANGES}, which int8 needs: measure them with `marina variants {config.name}`"
        )
    graphs: dict[str, dict[str, tuple[float, float]]] = json.loads(path.read_text("utf-8"))["graphs"]
    return graphs


def write_ranges(folder: Path, percentile: float, inputs: int, graphs: Mapping[str, Any]) -> None:
    document = {"percentile": percentile, "inputs": inputs, "graphs": graphs}
    (folder / RANGES).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_measured(folder: Path) -> dict[str, Any]:
    """What ``marina variants --write`` wrote; empty where it never did."""
    path = folder / MEASURED
    return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}


def find_measured(document: Mapping[str, Any], variant: str, runtime: str) -> Measured | None:
    """What was measured of one variant in one runtime."""
    for row in document.get("variants", ()):
        if (row["variant"], row["runtime"]) == (variant, runtime):
            return Measured(**row)
    return None


def write_measured(folder: Path, head: Mapping[str, Any], rows: list[Measured]) -> None:
    document = {**head, "variants": [asdict(row) for row in rows]}
    (folder / MEASURED).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
