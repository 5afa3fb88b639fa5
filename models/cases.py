"""Cases: questions with known answers, which say how good what an archive answers is, without torch."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

PARTS = ("train", "dev", "test")
T = TypeVar("T")


@dataclass(frozen=True)
class Cases:
    """Inputs, and what their answers are worth."""

    inputs: list[bytes]  # bodies as a client sends them: a picture's file, or a text in UTF-8
    content_type: str
    metric: str  # "accuracy", "rmse": as figures.json calls it
    higher_is_better: bool
    score: Callable[[Sequence[Any]], float]  # of the parsed JSON answers, in the order of the inputs


def check_part(part: str, parts: Collection[str] = PARTS) -> None:
    """Raises ValueError where the model's data has no such part."""
    if part not in parts:
        raise ValueError(f"There is no part {part!r} of the data; there is {', '.join(parts)}.")


def spread(items: Sequence[T], limit: int | None) -> list[T]:
    """At most ``limit`` of the items, evenly spread over them; all where it is None. Raises ValueError below 1."""
    if limit is None:
        return list(items)
    if limit < 1:
        raise ValueError(f"At least 1 case is needed, not {limit}.")
    count = min(limit, len(items))
    return [items[number * len(items) // count] for number in range(count)]


def share_right(answers: Sequence[str], truths: Sequence[str]) -> float:
    """The share of answers, 0..1, that are the truth."""
    return sum(answer == truth for answer, truth in zip(answers, truths, strict=True)) / len(truths)
