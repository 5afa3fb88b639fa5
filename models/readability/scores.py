"""Scores of texts as the server gives them, and how far they are from what people said."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from models.readability.batches import encode, group_by_length, pad
from models.readability.data import Excerpts


@torch.inference_mode()
def score_texts(
    network: nn.Module, tokenizer: Any, texts: Sequence[str], max_tokens: int, most_tokens: int = 5120
) -> np.ndarray:
    """The outputs of a Hugging Face regression, or of ``Scores``, for texts: float32 (N,)."""
    network.eval()
    device = next(network.parameters()).device
    rows = encode(tokenizer, texts, max_tokens)
    scores = np.zeros(len(rows), np.float32)
    for group in group_by_length([len(row) for row in rows], most_tokens):
        ids, mask = pad([rows[index] for index in group], int(tokenizer.pad_token_id))
        output: Any = network(input_ids=ids.to(device), attention_mask=mask.to(device))
        scores[group] = getattr(output, "logits", output).reshape(-1).float().cpu().numpy()
    return scores


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
