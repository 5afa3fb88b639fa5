"""Photos, and how often their first label is right."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from models.cases import Cases, check_part, share_right, spread
from models.resnet18.photos import LABELS, list_photos


def read_cases(data: Path, part: str, limit: int | None = None) -> Cases:
    """The photos of ``data/part``, which holds ants and bees.

    Raises ValueError for a part that is none, and FileNotFoundError where it has no photos.
    """
    check_part(part)
    photos = spread(list_photos(data / part), limit)
    truths = [LABELS[label] for _, label in photos]

    def score(answers: Sequence[Mapping[str, float]]) -> float:
        return share_right([max(answer, key=lambda label: answer[label]) for answer in answers], truths)

    return Cases([path.read_bytes() for path, _ in photos], "image/jpeg", "accuracy", True, score)
