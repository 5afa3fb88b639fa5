"""A model's folder and its model-config.yaml: read once, checked, then plain values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from marina.bodies import is_system_file
from marina.errors import MarinaError

CONFIG_FILE = "model-config.yaml"
# TorchServe 0.12's own keys (org.pytorch.serve.archive.model.ModelConfig) that make sense for one Python worker.
# useVenv is left out: it installs packages from the network when the server starts.
SERVER_KEYS = {
    "minWorkers",
    "maxWorkers",
    "batchSize",
    "maxBatchDelay",
    "responseTimeout",
    "startupTimeout",
    "deviceType",
    "deviceIds",
    "maxRetryTimeoutInSec",
    "clientTimeoutInMills",
    "jobQueueSize",
}
# Every one is needed: what the file leaves out, TorchServe fills in silently (batch 1, 100 ms, 120 s).
NEEDED_SERVER_KEYS = ("minWorkers", "maxWorkers", "batchSize", "maxBatchDelay", "responseTimeout", "startupTimeout")
# A name becomes a file name, a URL and a line of a configuration file.
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
ROUTE = re.compile(r"(?!(?:predictions|samples|errors|ping)$)[a-z0-9-]{0,64}")  # those are the door's own
VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,3}")


LIBYAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ConfigLoader(LIBYAML):  # type: ignore[misc]
    """Reads plain values, and refuses a mapping in which a key stands twice: another reader may take the other."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise ValueError(f"the key {key!r} stands twice")
            seen.add(key)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def load_yaml(text: str) -> Any:
    """A YAML document's values. Raises yaml.YAMLError, ValueError and TypeError."""
    return yaml.load(text, ConfigLoader)  # noqa: S506 (a safe loader)


@dataclass(frozen=True)
class ArchiveSettings:
    """The ``archive:`` section: what the archive is called and how it is made."""

    title: str
    description: str
    version: str
    license: str
    # "module:function" that loads the torch module, or one for each of handler.members, from the first of `files`.
    # For TorchScript.
    module: str = ""
    # Files of the model's folder that the archive holds beside the model, the settings and the samples.
    files: tuple[str, ...] = ()
    # What is built unless another is asked for: float32, bf16, int8, mixed or torchscript (see marina/variants.py).
    variant: str = "float32"
    # The graphs that int8 quantises; all of them if none is named.
    int8: tuple[str, ...] = ()
    # "module:function" that reads labelled data: (folder, "train" | "dev" | "test", limit) -> models.cases.Cases.
    judge: str = ""
    # How much worse than float32 a variant's metric may be, in the metric's own units.
    max_drop: float = 0.005
    # The share of samples, 0..1, that a variant must answer as float32 does.
    min_agreement: float = 1.0
    # By how much a score or a probability may differ for an answer to be the same.
    max_difference: float = 0.1
    # A second address, "ner" for /ner: the one that an older system answered at.
    route: str = ""


@dataclass(frozen=True)
class ModelConfig:
    """One folder under ``models/``: ``server`` holds TorchServe's keys, ``handler`` what the handler reads."""

    folder: Path
    server: Mapping[str, int | str | list[int]]
    handler: Mapping[str, Any]
    archive: ArchiveSettings

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def samples(self) -> list[Path]:
        """The sample inputs, by name; without hidden files and those of a system."""
        found = (path for path in (self.folder / "samples").glob("*") if not is_system_file(path.name))
        return sorted(path for path in found if path.is_file())


def read_model_config(folder: Path) -> ModelConfig:
    """The checked configuration of a model's folder. Raises MarinaError, naming the key that is wrong."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise MarinaError(f"{folder} is no model's folder: it has no {CONFIG_FILE}")
    check_name(folder.name)
    return ModelConfig(folder, *parse_model_config(path, path.read_text(encoding="utf-8")))


def parse_model_config(path: Path | str, text: str) -> tuple[Mapping[str, Any], Mapping[str, Any], ArchiveSettings]:
    """TorchServe's keys, the handler's settings and the archive's, checked. Raises MarinaError naming ``path``."""
    try:
        document = load_yaml(text)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise MarinaError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise MarinaError(f"{path} must hold keys and values")
    for section in ("handler", "archive"):
        if not isinstance(document.get(section), dict):
            raise MarinaError(f"{path}: the section {section}: is missing")
    server = {key: value for key, value in document.items() if key not in ("handler", "archive")}
    check_server(path, server)
    return server, document["handler"], parse_archive_settings(path, document["archive"])


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise MarinaError(f"{name!r} is no model name: use lower-case letters, digits, - and _")


def check_server(path: Path | str, server: Mapping[str, object]) -> None:
    for key, value in server.items():
        if key not in SERVER_KEYS:
            raise MarinaError(f"{path}: unknown key {key}; there are: {', '.join(sorted(SERVER_KEYS))}")
        if key not in ("deviceType", "deviceIds") and (type(value) is not int or value < 0):
            raise MarinaError(f"{path}: {key} must be a whole number, 0 or more")
    for key in NEEDED_SERVER_KEYS:
        if key not in server:
            raise MarinaError(f"{path}: {key} is missing")
    if not 1 <= int(str(server["minWorkers"])) <= int(str(server["maxWorkers"])):
        raise MarinaError(f"{path}: minWorkers must be at least 1, and at most maxWorkers")


def parse_archive_settings(path: Path | str, section: Mapping[str, Any]) -> ArchiveSettings:
    known = {field.name for field in fields(ArchiveSettings)}
    for key in section:
        if key not in known:
            raise MarinaError(f"{path}: unknown key archive.{key}; there are: {', '.join(sorted(known))}")
    for key in ("title", "description", "version", "license"):
        if not isinstance(section.get(key), str) or not section[key]:
            raise MarinaError(f"{path}: archive.{key} must be text, in quotes where it looks like a number")
    if not VERSION.fullmatch(section["version"]):
        raise MarinaError(f'{path}: archive.version must be like "1.0"')
    if not isinstance(section.get("route", ""), str) or not ROUTE.fullmatch(section.get("route", "")):
        raise MarinaError(f"{path}: archive.route must be one word of lower-case letters, digits and -, as in /ner")
    for key in ("max_drop", "min_agreement", "max_difference"):
        value = section.get(key, 0.0)
        if type(value) not in (int, float) or not 0 <= value <= 1000:
            raise MarinaError(f"{path}: archive.{key} must be a number, 0 or more")
    for key in ("files", "int8"):
        if not isinstance(section.get(key, []), list):
            raise MarinaError(f"{path}: archive.{key} must be a list of files")
    lists = {key: tuple(section.get(key, ())) for key in ("files", "int8")}
    return ArchiveSettings(**{**section, **lists})
