"""Stands in for torch where it is not installed, on the path of TorchServe's workers alone.

TorchServe's worker imports torch for one question: is this answer a ``torch.Tensor``? Without torch, nothing is.
"""


class Tensor:
    """No object is one of these."""
