"""What decides the trained weights, besides the excerpts."""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Stage:
    """One stage of the training from scratch. An epoch sees as many passages as there are excerpts."""

    epochs: int
    learning_rate: float  # the highest
    blends: float  # share of passages made of two excerpts
    parts: float  # share of passages that are some sentences of an excerpt in a row
    thinning: float  # share of sentences left out of the other excerpts
    trust: float  # in people's scores; the rest is the ridge regression's
    surface_weight: float  # of the surface values in the loss
    words_weight: float  # of masked words in the loss


@dataclass(frozen=True)
class Recipe:
    """The training from scratch."""

    seed: int = 0
    pieces: int = 8192
    layers: int = 4
    width: int = 256
    heads: int = 4
    max_tokens: int = 512
    dropout: float = 0.1
    batch_tokens: int = 2560  # of one step, padding included
    weight_decay: float = 0.05
    averaging: float = 0.99  # how much of their average the kept weights keep at each step
    masked: float = 0.15  # share of words hidden, where some are
    learning: Stage = Stage(12, 8e-4, 0.3, 0.4, 0.0, 0.0, 1.0, 0.2)
    fitting: Stage = Stage(4, 1e-4, 0.3, 0.3, 0.1, 0.5, 0.3, 0.0)

    @property
    def epochs(self) -> int:
        """Of both stages."""
        return self.learning.epochs + self.fitting.epochs

    def with_epochs(self, epochs: int) -> "Recipe":
        """The recipe with so many epochs in all, divided between the stages as here; 2 at least."""
        learning = min(max(1, round(epochs * self.learning.epochs / self.epochs)), max(1, epochs - 1))
        fitting = replace(self.fitting, epochs=max(1, epochs - learning))
        return replace(self, learning=replace(self.learning, epochs=learning), fitting=fitting)

    def stage_at(self, epoch: int) -> tuple[Stage, int]:
        """The stage of an epoch (from 0), and the epoch's number in it."""
        first = self.learning.epochs
        return (self.learning, epoch) if epoch < first else (self.fitting, epoch - first)


def learning_rate_at(progress: float, highest: float) -> float:
    """Up during the first 5 % of a stage, then down along half a cosine."""
    return highest * min(1.0, progress / 0.05 + 0.01) * 0.5 * (1 + math.cos(math.pi * progress))
