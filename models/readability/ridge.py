"""Ridge regression on words and on what readability formulas see: the baseline, and what BERT first learns from.

It needs no network, is fitted in seconds, and judges any text. BERT gets endless passages judged by it, which teaches
it which words and which sentences make a text hard, before it sees what people said of the excerpts.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from models.readability.data import Excerpts
from models.readability.surface import Frequencies, measure_surface, split_sentences

TOKEN = re.compile(r"\w+|[^\w\s]")
FEWEST_EXCERPTS = 3  # that a word is in, to count
PARTS = 2  # of each excerpt that it is fitted on as well, so that it can judge short texts
PENALTY = 4.0  # chosen on dev, as is the next
SURFACE_WEIGHT = 0.03  # of a standardised surface value beside a text's words, whose vector has length 1


class Ridge:
    """A linear function of tf-idf, surface values and their squares."""

    def __init__(self, excerpts: Excerpts, frequencies: Frequencies) -> None:
        self.frequencies = frequencies
        found = Counter(word for text in excerpts.texts for word in set(TOKEN.findall(text.lower())))
        words = sorted(word for word, count in found.items() if count >= FEWEST_EXCERPTS) or sorted(found)
        self.index = {word: index for index, word in enumerate(words)}
        self.rarity = np.array([1 + math.log(len(excerpts) / found[word]) for word in words], np.float32)
        surface = np.stack([measure_surface(text, frequencies) for text in excerpts.texts])
        self.mean, self.spread = surface.mean(0), surface.std(0) + 1e-6
        self.constant = float(excerpts.targets.mean())
        texts = excerpts.texts + draw_parts(excerpts.texts, PARTS)
        targets = np.tile(excerpts.targets, 1 + PARTS) - self.constant
        rows = np.stack([self.row(text, measure_surface(text, frequencies)) for text in texts])
        # The dual form: as many equations as texts, fewer than words.
        products = rows @ rows.T + PENALTY * np.eye(len(rows), dtype=np.float32)
        self.weights = rows.T @ np.linalg.solve(products, targets)

    def row(self, text: str, surface: np.ndarray) -> np.ndarray:
        """A text as float32 (words + 2 x surface values,)."""
        words = np.zeros(len(self.index), np.float32)
        for word, count in Counter(TOKEN.findall(text.lower())).items():
            if word in self.index:
                words[self.index[word]] = (1 + math.log(count)) * self.rarity[self.index[word]]
        standardised = self.standardise(surface) * SURFACE_WEIGHT
        squares = standardised**2 / SURFACE_WEIGHT
        return np.concatenate([words / max(1e-6, float(np.linalg.norm(words))), standardised, squares])

    def standardise(self, surface: np.ndarray) -> np.ndarray:
        """Surface values with mean 0 and spread 1 on the excerpts, and none farther out than 4."""
        limited: np.ndarray = np.clip((surface - self.mean) / self.spread, -4, 4)
        return limited

    def judge(self, text: str, surface: np.ndarray) -> float:
        """The score of a text whose surface values are known."""
        return self.constant + float(self.row(text, surface) @ self.weights)

    def judge_all(self, texts: Sequence[str]) -> np.ndarray:
        """The scores of texts, float32 (N,)."""
        return np.array([self.judge(text, measure_surface(text, self.frequencies)) for text in texts], np.float32)


def draw_parts(texts: Sequence[str], count: int, seed: int = 0) -> list[str]:
    """All texts ``count`` times over, each time some sentences of theirs in a row."""
    generator = np.random.default_rng(seed)
    split = [split_sentences(text) or [text] for text in texts]
    return [" ".join(take_part(sentences, generator)) for _ in range(count) for sentences in split]


def take_part(sentences: list[str], generator: np.random.Generator) -> list[str]:
    """Some sentences in a row, one at least; short parts are as likely as long ones."""
    count = int(generator.integers(1, len(sentences) + 1))
    start = int(generator.integers(len(sentences) - count + 1))
    return sentences[start : start + count]
