"""What a model's outputs say, as probabilities."""

from typing import Any

import numpy as np

from .settings import SettingsError


def softmax(logits: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Probabilities (..., classes) of logits (..., classes)."""
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: "np.ndarray[Any, Any]" = exponents / exponents.sum(axis=-1, keepdims=True)
    return probabilities


def read_probabilities(output: "np.ndarray[Any, Any]", kind: str) -> "np.ndarray[Any, Any]":
    """Probabilities (..., classes) of a model's output, which holds "logits" or "probabilities" already."""
    return softmax(output) if kind == "logits" else output


def flatten_classes(output: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """An output (batch, classes), also of a model that gives (batch, classes, 1, 1). Raises SettingsError."""
    if output.ndim < 2 or any(side != 1 for side in output.shape[2:]):
        raise SettingsError("The model's output has the shape %s, not (batch, classes)" % (output.shape,))
    return output.reshape(output.shape[:2])
