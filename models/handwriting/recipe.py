"""How a member is trained."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Everything that a training run depends on beside its pictures. An epoch is one file of drawn pictures."""

    member: str
    epochs: int = 12
    size: int = 64  # px; the first epochs see smaller pictures
    small: int = 48  # px
    small_epochs: int = 5
    batch: int = 64
    rate: float = 2.5e-3  # AdamW's; rises over a tenth of the first epoch, falls to zero over the last part
    falling: float = 0.45  # the share of the epochs over which the rate falls
    decay: float = 0.05  # of the weights, by AdamW
    smoothing: float = 0.05  # of the labels
    memory: float = 0.998  # of the average of the weights, a batch
    first_file: int = 0  # of the drawn pictures: the first two are easy ones, for a network that knows nothing
    seed: int = 1

    def rate_at(self, epoch: float) -> float:
        """The learning rate at a time in epochs, of which a part may have passed."""
        rising = min(1.0, epoch / 0.1 + 0.01)
        falling = min(1.0, (self.epochs - epoch) / (self.falling * self.epochs))
        return self.rate * rising * falling
