"""Scores of texts as the server gives them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from models.readability.batches import encode, group_by_length, pad


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
