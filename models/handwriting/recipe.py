"""How a member is trained."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Everything that a training run depends on beside its bank and its machine. Shares are of its time."""

    member: str
    seconds: float = 480.0
    batch: int = 1024
    size: int = 60  # px, as served
    small: int = 48  # px, of the first pictures
    small_share: float = 0.3
    easy_share: float = 0.04  # the pictures grow from printed ones on white to what they are to be
    rising_share: float = 0.03  # of AdamW's learning rate, which then falls as a cosine
    rate: float = 1.5e-3
    decay: float = 0.05  # of the weights, by AdamW
    smoothing: float = 0.05  # of the labels
    memory: float = 0.999  # of the average of the weights, a batch
    written: float = 0.6  # of the pictures are written stroke by stroke, the others printed
    seed: int = 1

    def rate_at(self, done: float) -> float:
        """The learning rate when that share of the time has passed."""
        rising = min(1.0, done / self.rising_share + 0.01)
        return self.rate * rising * max(1e-3, (1 + math.cos(math.pi * min(done, 1.0))) / 2)

    def size_at(self, done: float) -> int:
        return self.small if done < self.small_share else self.size

    def freedom_at(self, done: float) -> float:
        """How far the pictures are from printed ones, 0 to 1. A network that begins with the hardest learns nothing."""
        return min(1.0, done / self.easy_share)
