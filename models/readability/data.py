"""Excerpts with their targets: read from CSV files, and split so that both parts have the same targets."""

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DEV_SHARE = 0.1  # of the excerpts, where none are given to choose the epoch by


@dataclass(frozen=True)
class Excerpts:
    """Texts, and how easy each is to read: float32 (N,), higher is easier."""

    texts: list[str]
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: np.ndarray) -> "Excerpts":
        """The excerpts at ``indices``."""
        return Excerpts([self.texts[index] for index in indices], self.targets[indices])


@dataclass(frozen=True)
class Splits:
    """What is learnt from, what chooses the epoch, and what is judged on at the end, where there is such a part."""

    train: Excerpts
    dev: Excerpts
    test: Excerpts | None = None

    def __iter__(self) -> Iterator[tuple[str, Excerpts]]:
        """The parts that there are, by name."""
        parts = {"train": self.train, "dev": self.dev, "test": self.test}
        return ((name, part) for name, part in parts.items() if part is not None)


def read_splits(path: Path, seed: int = 0) -> Splits:
    """The excerpts of a CSV file, of a zip that holds ``train.csv`` (or one CSV), or of a folder that holds it.

    Beside it ``dev.csv`` and ``test.csv`` are taken if they are there and have targets; without the former a tenth of
    the excerpts is set apart. Raises ValueError where there are no excerpts with targets.
    """
    files = read_files(path)
    found = {name: read_excerpts(name, text) for name, text in files.items()}
    dev, test = (found[name] if name in found and len(found[name]) else None for name in ("dev.csv", "test.csv"))
    train = found.get("train.csv") or next(iter(found.values()), None)
    if train is None or len(train) < 2:
        raise ValueError(f"{path} has no excerpts to learn from: a CSV with the columns excerpt and target is needed.")
    if dev is not None:
        return Splits(train, dev, test)
    kept, apart = split_stratified(train.targets, DEV_SHARE, seed)
    return Splits(train.take(kept), train.take(apart), test)


def read_files(path: Path) -> dict[str, str]:
    """The CSV files of a folder or zip by their names, or the one file."""
    if path.is_dir():
        return {file.name: file.read_text(encoding="utf-8") for file in sorted(path.glob("*.csv"))}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".csv"))
            return {Path(name).name: archive.read(name).decode("utf-8") for name in names}
    return {"train.csv": path.read_text(encoding="utf-8")}


def read_excerpts(name: str, text: str) -> Excerpts:
    """The rows of a CSV that have an excerpt and a target; none where it lacks the columns."""
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if not {"excerpt", "target"} <= set(rows.fieldnames or ()):
        return Excerpts([], np.zeros(0, np.float32))
    pairs = [(row["excerpt"], row["target"]) for row in rows if row["excerpt"] and row["target"]]
    try:
        targets = np.array([float(target) for _, target in pairs], np.float32)
    except ValueError as error:
        raise ValueError(f"{name}: a target is no number ({error}).") from error
    return Excerpts([excerpt for excerpt, _ in pairs], targets)


def split_stratified(targets: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices to keep and to set apart: one drawn from each bin of excerpts with neighbouring targets.

    The bins are equally full, and as many as excerpts are to be set apart, at least one.
    """
    generator = np.random.default_rng(seed)
    bins = np.array_split(np.argsort(targets, kind="stable"), max(1, round(len(targets) * share)))
    apart = np.sort([generator.choice(members) for members in bins])
    return np.setdiff1d(np.arange(len(targets)), apart), apart
