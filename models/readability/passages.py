"""Endless passages to learn from: parts of excerpts, excerpts with sentences left out, and blends of two."""

from dataclasses import dataclass

import numpy as np

from models.readability.data import Excerpts
from models.readability.recipe import Stage
from models.readability.ridge import Ridge, take_part
from models.readability.surface import measure_surface, split_sentences


@dataclass(frozen=True)
class Passage:
    """A text, its standardised surface values float32 (19,), and the score to learn."""

    text: str
    surface: np.ndarray
    score: float


class Passages:
    """Draws passages from excerpts. ``ridge`` judges what no person did."""

    def __init__(self, excerpts: Excerpts, ridge: Ridge) -> None:
        self.sentences = [split_sentences(text) for text in excerpts.texts]
        self.targets, self.ridge = excerpts.targets, ridge

    def draw(self, stage: Stage, generator: np.random.Generator) -> Passage:
        """One random passage, of a kind and judged as the stage of the training wants it."""
        number = int(generator.integers(len(self.sentences)))
        sentences = self.sentences[number]
        kind = generator.random()
        if kind < stage.blends:
            other = self.sentences[int(generator.integers(len(self.sentences)))]
            return self.judged(" ".join(blend(sentences, other, generator)), None, 0.0)
        if kind < stage.blends + stage.parts:
            sentences = take_part(sentences, generator)
        else:
            sentences = thin(sentences, stage.thinning, generator)
        return self.judged(" ".join(sentences), float(self.targets[number]), stage.trust)

    def judged(self, text: str, target: float | None, trust: float) -> Passage:
        """The passage with its score: people's by the share ``trust``, the ridge regression's by the rest."""
        surface = measure_surface(text, self.ridge.frequencies)
        score = target if target is not None and trust == 1.0 else self.ridge.judge(text, surface)
        if target is not None:
            score = trust * target + (1 - trust) * score
        return Passage(text, self.ridge.standardise(surface), score)


def thin(sentences: list[str], share: float, generator: np.random.Generator) -> list[str]:
    """The sentences without a random ``share`` of them; all where none would be left."""
    kept = [sentence for sentence in sentences if generator.random() >= share]
    return kept or sentences


def blend(one: list[str], other: list[str], generator: np.random.Generator) -> list[str]:
    """Sentences of two excerpts, shuffled, about as many as one of them has at most."""
    both = one + other
    count = int(generator.integers(1, max(2, len(both) // 2 + 1)))
    return [both[index] for index in generator.permutation(len(both))[:count]]
