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


def per_class(outputs: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """A classifier's outputs as (batch, classes); more axes, such as (batch, classes, 1, 1), may have the length 1.

    Raises ValueError, with the shape.
    """
    if outputs.ndim < 2 or any(length != 1 for length in outputs.shape[2:]):
        raise ValueError("A classifier gives (batch, classes); this model gives %s" % (outputs.shape,))
    return outputs.reshape(outputs.shape[:2])
