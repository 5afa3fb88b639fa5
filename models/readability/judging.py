"""How far scores of texts are from what people said."""

import numpy as np

from models.readability.data import Excerpts


def rmse(scores: np.ndarray, targets: np.ndarray) -> float:
    """The root of the mean squared error."""
    return float(np.sqrt(np.mean((scores - targets) ** 2)))


def bootstrap_rmse(scores: np.ndarray, targets: np.ndarray, draws: int = 2000, seed: int = 0) -> list[float]:
    """The 95 % interval of the error over excerpts drawn again with replacement: its lower and upper end."""
    squares = (scores - targets) ** 2
    chosen = np.random.default_rng(seed).integers(0, len(squares), (draws, len(squares)))
    return [float(end) for end in np.quantile(np.sqrt(squares[chosen].mean(1)), (0.025, 0.975))]


def batch_rmse(scores: np.ndarray, excerpts: Excerpts, batch_size: int) -> float:
    """The loss of fine-tuning: the mean over batches of the root of their mean squared error."""
    starts = range(0, len(scores), batch_size)
    return float(np.mean([rmse(scores[i : i + batch_size], excerpts.targets[i : i + batch_size]) for i in starts]))
