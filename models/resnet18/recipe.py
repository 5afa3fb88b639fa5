"""What decides the trained weights, besides the photos."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, besides the photos. Progress is the share of the training done."""

    epochs: int = 600  # in each, as many pictures are seen as there are photos
    seed: int = 0
    start: str = "scratch"  # or "imagenet"
    drawings: int = 6000  # pictures of drawn insects: shapes to learn, before there are photos alone
    drawn_share: float = 0.8  # of the first pictures; falls to none at ``drawn_until``
    drawn_until: float = 0.65
    batch_size: int = 34
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    label_smoothing: float = 0.1
    mixed: float = 0.5  # the share of batches that CutMix or mixup blends ...
    mixed_between: tuple[float, float] = (0.4, 0.9)  # ... in this part of the training
    averaging: float = 0.995  # how much of their average the kept weights keep at each step
    size: int = 112  # of the first views, in pixels; later ones are larger, as those that are judged
    growth: tuple[tuple[float, float], ...] = ((0.0, 1.0), (0.6, 1.286), (0.85, 1.572))
    judged_every: int = 5  # epochs

    def learning_rate_at(self, progress: float) -> float:
        """Up during the first 5 %, then down along half a cosine."""
        return self.learning_rate * min(1.0, progress / 0.05 + 0.01) * 0.5 * (1 + math.cos(math.pi * progress))

    def size_at(self, progress: float) -> int:
        """The side of a view: small ones first, for they are cheap, and large ones last (FixRes, 2019)."""
        factor = max((start, factor) for start, factor in self.growth if start <= progress)[1]
        return round(self.size * factor / 16) * 16

    def drawn_at(self, progress: float) -> float:
        """The share of drawings among the pictures."""
        return max(0.0, self.drawn_share * (1 - progress / self.drawn_until)) if self.drawings else 0.0

    def mixed_at(self, progress: float) -> float:
        """The share of batches that are blended."""
        return self.mixed if self.mixed_between[0] <= progress < self.mixed_between[1] else 0.0
