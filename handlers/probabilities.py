"""What a model's outputs say, as probabilities."""

from typing import Any

import numpy as np


def softmax(logits: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Probabilities (..., classes) of logits (..., classes)."""
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: "np.ndarray[Any, Any]" = exponents / exponents.sum(axis=-1, keepdims=True)
    return probabilities


def as_probabilities(outputs: "np.ndarray[Any, Any]", kind: str) -> "np.ndarray[Any, Any]":
    """Probabilities (..., classes) of a model's outputs, which are of the kind that ``handler.outputs`` names."""
    return softmax(outputs) if kind == "logits" else outputs
