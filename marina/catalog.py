"""What the archives say of themselves: /models.json for the page, and the settings that a server needs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marina.errors import MarinaError
from marina.model_config import ArchiveSettings

LIMITS = ("max_bytes", "max_pixels", "max_chars", "min_chars")


@dataclass(frozen=True)
class ServedArchive:
    """One verified archive, as a server needs it."""

    path: Path
    sha256: str  # of the file, as it was verified
    name: str
    version: str
    server: dict[str, Any]  # TorchServe's keys
    handler: dict[str, Any]  # the handler's settings
    archive: ArchiveSettings
    variant: str
    samples: dict[str, bytes]  # file name -> content
    quality: dict[str, Any]  # what was measured of the trained weights, from the model's figures.json
    measured: dict[str, Any]  # what this variant reaches, and how fast; empty where it was not measured
    variants: list[dict[str, Any]]  # the same of all variants that were tried

    @property
    def addresses(self) -> dict[str, str]:
        """Every address that predicts with this model, and what TorchServe calls it: with or without the version."""
        found = {
            f"/predictions/{self.name}": self.name,
            f"/predictions/{self.name}/{self.version}": f"{self.name}/{self.version}",
        }
        return {**found, f"/{self.archive.route}": self.name} if self.archive.route else found

    def entry(self) -> dict[str, Any]:
        """This model's entry in /models.json."""
        return {
            "name": self.name,
            "version": self.version,
            "title": self.archive.title,
            "description": self.archive.description,
            "license": self.archive.license,
            "task": self.handler["task"],
            "input": self.handler["input"],
            "variant": self.variant,
            "runtime": self.handler["runtime"],
            "variants": self.variants,
            "limits": {key: self.handler[key] for key in LIMITS if key in self.handler},
            "labels": self.handler.get("labels", []),
            "route": f"/{self.archive.route}" if self.archive.route else f"/predictions/{self.name}",
            "quality": self.quality,
            "samples": [
                {"url": f"/samples/{self.name}/{name}", "title": title_of(name)} for name in sorted(self.samples)
            ],
        }


def title_of(name: str) -> str:
    """A file's name as people read it: "A meeting" of a-meeting.txt."""
    title = Path(name).stem.replace("-", " ")
    return title[:1].upper() + title[1:]


def find_archives(store: Path, names: Sequence[str]) -> list[Path]:
    """The archives of those names in the store, or all. Raises MarinaError."""
    found = {path.stem: path for path in sorted(store.glob("*.mar"))}
    for name in names:
        if name not in found:
            raise MarinaError(f"{store} has no archive {name}; build it with `marina archive {name}`")
    if not found:
        raise MarinaError(f"{store} has no archive; build them with `marina archive`")
    return [found[name] for name in names or found]


def write_public(archives: Sequence[ServedArchive], openapi: Mapping[str, Any], public: Path) -> None:
    """Writes /models.json, /openapi.json and the sample inputs into the folder that the front door shows."""
    for archive in archives:
        folder = public / "samples" / archive.name
        folder.mkdir(parents=True)
        for name, data in archive.samples.items():
            (folder / name).write_bytes(data)
    documents = {"models": {"models": [archive.entry() for archive in archives]}, "openapi": openapi}
    for name, document in documents.items():
        (public / f"{name}.json").write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
