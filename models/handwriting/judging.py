"""What a member says of pictures, and how often it is right."""

import torch
from torch import Tensor, nn


@torch.inference_mode()
def predict(model: nn.Module, pixels: Tensor) -> Tensor:
    """Logits (N, classes) of pixels (N, size, size, 3), uint8."""
    model.eval()
    return torch.cat([model(part) for part in pixels.split(100)])


def accuracy(scores: Tensor, labels: Tensor, top: int) -> float:
    """The share of pictures whose class is among the ``top`` of the highest scores (N, classes)."""
    return float((scores.topk(top).indices == labels[:, None]).any(1).float().mean())
