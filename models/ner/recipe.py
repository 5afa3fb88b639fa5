"""What decides the trained weights, besides the corpora."""

import math
from dataclasses import dataclass, field
from itertools import pairwise

Ramp = tuple[tuple[float, float], ...]  # (progress, value) points; linear between them


def interpolate(ramp: Ramp, progress: float) -> float:
    """The ramp's value at some progress in 0..1."""
    for (left, low), (right, high) in pairwise(ramp):
        if progress <= right:
            return low + (high - low) * max(0.0, progress - left) / (right - left)
    return ramp[-1][1]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, besides the corpora. Progress is the share of the training done."""

    epochs: int = 25
    steps: int = 500  # in an epoch
    seed: int = 0
    pieces: int = 10_000  # of the vocabulary, at most
    layers: int = 4
    width: int = 256
    heads: int = 4
    dropout: float = 0.1
    batch_pieces: int = 2048  # in a batch, padding included
    learning_rate: float = 6e-4
    embeddings_pace: float = 4.0  # their learning rate, as a multiple
    weight_decay: float = 0.05
    label_smoothing: float = 0.03
    averaging: float = 0.998  # how much of their average the kept weights keep at each step

    # The share of windows from each corpus.
    shares: dict[str, Ramp] = field(
        default_factory=lambda: {
            "gmb_train": ((0.0, 0.88), (0.3, 0.84), (0.4, 0.64), (0.65, 0.54), (0.7, 0.58), (1.0, 0.58)),
            "wikigold_train": ((0.0, 0.07), (0.3, 0.09), (0.4, 0.21), (0.65, 0.28), (0.7, 0.26), (1.0, 0.26)),
            "crossner_politics_train": ((0.0, 0.05), (0.3, 0.07), (0.4, 0.15), (0.65, 0.18), (0.7, 0.16), (1.0, 0.16)),
        }
    )
    countries_act: tuple[str, ...] = ("gmb_train",)  # corpora that call a country that acts an organisation
    # What is done to sentences, as shares of their names, words or of the sentences themselves.
    replaced: float = 0.5  # names that another one of their type stands in for ...
    composed: float = 0.5  # ... which is, in so many cases, one that nobody bears
    split: float = 0.06  # words cut into smaller pieces than they need
    hidden: Ramp = ((0.0, 0.05), (0.3, 0.12), (0.7, 0.12), (1.0, 0.1))  # words hidden, to judge by the others
    cased: float = 0.03  # sentences in capitals, or without any, or with each word's first letter a capital
    invented: float = 0.1  # windows of plain sentences about new names, instead of a corpus's
    lists: float = 0.01  # sentences that a list of new names follows
    single: float = 0.35  # windows that hold one sentence
    fragments: float = 0.15  # of the single sentences, those cut to a few words

    def learning_rate_at(self, progress: float) -> float:
        """Up during the first 4 %, then down along half a cosine."""
        return self.learning_rate * min(1.0, progress / 0.04 + 0.001) * 0.5 * (1 + math.cos(math.pi * progress))
