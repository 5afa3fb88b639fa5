"""Real pictures of handwritten characters, and how often the ensemble's first answer is right."""

import csv
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.cases import Cases, check_part, share_right, spread
from models.handwriting.settings import LABELS


def read_cases(data: Path, part: str, limit: int | None = None) -> Cases:
    """The pictures of ``data/dev.zip``: there are real ones to judge by, and none to learn from.

    Raises ValueError for another part than dev.
    """
    check_part(part, ("dev",))
    pictures = spread(read_pictures(data / "dev.zip", data / "labels.csv"), limit)
    truths = [LABELS[index] for _, index in pictures]

    def score(answers: Sequence[Mapping[str, Any]]) -> float:
        return share_right([answer["answer"] for answer in answers], truths)

    return Cases([content for content, _ in pictures], "image/jpeg", "top_1", True, score)


def read_pictures(pictures: Path, labels: Path) -> list[tuple[bytes, int]]:
    """The JPEGs of a zip file, in a folder a class, by name, and each's class.

    ``labels`` is a table of index and dir that gives the folders' classes.
    """
    with labels.open(encoding="utf-8", newline="") as file:
        classes = {row["dir"]: int(row["index"]) for row in csv.DictReader(file)}
    with zipfile.ZipFile(pictures) as archive:
        names = sorted(name for name in archive.namelist() if name.lower().endswith(".jpg"))
        return [(archive.read(name), classes[Path(name).parent.name]) for name in names]
