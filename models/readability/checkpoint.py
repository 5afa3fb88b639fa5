"""A Hugging Face checkpoint as the start of a regression."""

from pathlib import Path
from typing import Any

import torch

from models.checkpoints import read_checkpoint
from models.readability.data import Excerpts
from models.readability.model import rescale

# models.checkpoints comes first: it makes transformers importable.
from transformers import AutoModelForSequenceClassification  # type: ignore[import-untyped]  # isort: skip


def read_regression(id_or_dir: str | Path, excerpts: Excerpts, seed: int = 0) -> tuple[Any, Any]:
    """A checkpoint's model with one output, standardised as the excerpts' targets are, and its tokenizer.

    A head that is no regression is replaced by an untrained one, which ``seed`` decides. Raises OSError
    where there are no safetensors.
    """
    torch.manual_seed(seed)
    model, tokenizer = read_checkpoint(
        id_or_dir, AutoModelForSequenceClassification, num_labels=1, ignore_mismatched_sizes=True
    )
    if model.config.problem_type == "regression":  # so its scores have a unit already
        spread = float(excerpts.targets.std()) or 1.0
        rescale(model, -float(excerpts.targets.mean()) / spread, 1 / spread)
    return model, tokenizer
