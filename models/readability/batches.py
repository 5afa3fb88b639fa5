"""Passages as tensors, those of about equal length together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from models.readability.passages import Passage


@dataclass(frozen=True)
class Batch:
    """Token ids and mask, int64 (batch, length), scores float32 (batch,), surface values float32 (batch, 19)."""

    ids: Tensor
    mask: Tensor
    scores: Tensor
    surface: Tensor


def encode(tokenizer: "PreTrainedTokenizerFast", texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """The token ids of texts, special ones included, cut off after ``max_tokens``."""
    ids: list[list[int]] = tokenizer(list(texts), truncation=True, max_length=max_tokens)["input_ids"]
    return ids


def pad(rows: Sequence[list[int]], padding: int) -> tuple[Tensor, Tensor]:
    """Token ids, filled up with ``padding`` to the longest, and mask: both int64 (rows, longest)."""
    longest = max(len(row) for row in rows)
    ids = torch.tensor([row + [padding] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, mask


def group_by_length(lengths: Sequence[int], most_tokens: int) -> list[list[int]]:
    """Indices in groups that hold at most ``most_tokens`` when padded, or one index; shortest first."""
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index]):
        if groups and lengths[index] * (len(groups[-1]) + 1) <= most_tokens:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def make_batches(
    tokenizer: "PreTrainedTokenizerFast", passages: Sequence["Passage"], max_tokens: int, most_tokens: int
) -> list[Batch]:
    """The passages in batches of at most ``most_tokens`` tokens, the shortest first."""
    rows = encode(tokenizer, [passage.text for passage in passages], max_tokens)
    batches = []
    for members in group_by_length([len(row) for row in rows], most_tokens):
        ids, mask = pad([rows[index] for index in members], int(tokenizer.pad_token_id))
        scores = torch.tensor([passages[index].score for index in members])
        surface = torch.from_numpy(np.stack([passages[index].surface for index in members]))
        batches.append(Batch(ids, mask, scores, surface))
    return batches
