"""A handler's settings: the ``handler:`` section of model-config.yaml, checked once and then plain values."""

import json
import os
import typing
from typing import Any, Dict, List, Mapping, Type

SETTINGS_FILE = "settings.json"
MAY_BE_ZERO = ("threads", "memory_mb")
CHOICES = {
    "precision": ("float32", "bf16", "float16"),
    "output": ("logits", "probabilities"),
}
# Lists of names by which an answer tells its parts: of two that are alike, one would be lost.
WITHOUT_DUPLICATES = ("labels",)


class SettingsError(ValueError):
    """A setting that is unknown, missing, or of the wrong type or range; the message names it."""


class Settings:
    """What every task reads. A task adds its own by subclassing: a name, a type and, if it has one, a default."""

    task: str
    input: str = "bytes"  # what a client sends, for the page: bytes, image or text
    file: str = "graph.onnx"  # the model, relative to the archive's root
    runtime: str = "onnxruntime"  # onnxruntime, openvino, torchscript or eia
    # What OpenVINO computes in where a graph says nothing else, float32 or bf16; what TorchScript was traced in.
    precision: str = "float32"
    threads: int = 0  # of one worker; 0 is its share of the cores
    parts: int = 1  # of a batch: one is decoded while the one before is computed, which pays where a GPU does that
    max_bytes: int = 10000000  # of one input, as decoded from the request
    # That a worker's requests may take together beyond what it uses when it is warm; 0 is no limit. At least as much as
    # the largest input takes that max_pixels and max_chars allow. On a GPU there is no limit.
    memory_mb: int = 400
    workers: int = 1  # from minWorkers: among how many the cores are divided
    batch_size: int = 1  # from batchSize: the largest batch that the warm-up runs
    timeout_s: int = 60  # from responseTimeout: the server ends a worker that takes longer for a batch

    def __init__(self, values: Mapping[str, Any]) -> None:
        types = typing.get_type_hints(type(self))
        for name, value in values.items():
            if name not in types:
                raise SettingsError("handler.%s is no setting; there are: %s" % (name, ", ".join(sorted(types))))
            kind = getattr(types[name], "__origin__", None) or types[name]  # List[str] -> list
            if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
                raise SettingsError("handler.%s must be of type %s" % (name, kind.__name__.lower()))
            if kind is list:
                check_items(name, value, types[name].__args__[0])
                check_duplicates(name, value)
            least = 0 if name in MAY_BE_ZERO else 1
            if kind is int and value < least:
                raise SettingsError("handler.%s must be at least %d" % (name, least))
            if name in CHOICES and value not in CHOICES[name]:
                raise SettingsError("handler.%s must be one of: %s" % (name, ", ".join(CHOICES[name])))
            setattr(self, name, value)
        for name in types:
            if not hasattr(self, name):
                raise SettingsError("handler.%s is missing" % name)

    def as_dict(self) -> Dict[str, Any]:
        """Every setting by name, those that were left out with their defaults."""
        return {name: getattr(self, name) for name in typing.get_type_hints(type(self))}


def check_items(name: str, items: List[Any], kind: Type[Any]) -> None:
    """Refuses a list that holds anything but text (``kind`` is str) or numbers of at least 1 (int)."""
    if kind is str and not all(isinstance(item, str) for item in items):
        raise SettingsError("handler.%s must hold text; put quotes around yes, no and numbers" % name)
    if kind is int and not all(type(item) is int and item >= 1 for item in items):
        raise SettingsError("handler.%s must hold whole numbers of at least 1" % name)


def check_duplicates(name: str, items: List[Any]) -> None:
    """Refuses a list that names something twice which an answer holds by its name."""
    twice = sorted({item for item in items if items.count(item) > 1}) if len(set(items)) < len(items) else []
    if name in WITHOUT_DUPLICATES and twice:
        raise SettingsError("handler.%s has more than once: %s" % (name, ", ".join(twice)))


def read_settings(model_dir: str) -> Dict[str, Any]:
    """The settings of an unpacked archive, as the mapping that ``Settings`` takes."""
    with open(os.path.join(model_dir, SETTINGS_FILE), encoding="utf-8") as file:
        settings: Dict[str, Any] = json.load(file)
        return settings
