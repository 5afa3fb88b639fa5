"""The archives that a search chooses among: one for each variant and runtime that this machine and the gate allow."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from marina.archive import build_archive
from marina.catalog import ServedArchive
from marina.errors import MarinaError
from marina.gate import Refused
from marina.model_config import ModelConfig
from marina.reading import read_served
from marina.variants import candidates
from marina.verify import fingerprint


@dataclass(frozen=True)
class Build:
    """An archive of one variant for one runtime."""

    served: ServedArchive
    digest: str

    @property
    def path(self) -> Path:
        return self.served.path

    @property
    def quality(self) -> str:
        """The figures that were measured of this variant, in a line."""
        measured = self.served.measured
        if not measured:
            return ""
        alike = f"answers {measured['agreement']:.1%} as float32 does"
        return f"{measured['metric']} {measured['value']}, {alike}" if measured["metric"] else alike


@dataclass(frozen=True)
class Cut:
    """What was not measured, or not any longer, and why."""

    what: str
    why: str


Builds = dict[tuple[str, str], Build]


def make_builds(config: ModelConfig, folder: Path, say: Callable[[str], None]) -> tuple[Builds, list[Cut]]:
    """Builds every candidate into ``folder``; what the accuracy gate refuses is cut.

    Raises MarinaError if none is left.
    """
    builds: Builds = {}
    cuts: list[Cut] = []
    for variant, runtime in candidates(config):
        say(f"Building {variant} for {runtime}")
        try:
            path, _ = build_archive(config.folder, folder / f"{variant}-{runtime}", variant, runtime)
        except Refused as refused:
            cuts.append(Cut(f"{variant} {runtime}", str(refused)))
            continue
        builds[variant, runtime] = Build(read_served(path), fingerprint(path)[:16])
    if not builds:
        raise MarinaError(f"{config.name} has no variant that may be served: " + "; ".join(cut.why for cut in cuts))
    return builds, cuts
