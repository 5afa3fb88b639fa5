"""A network for pictures behind the pixels as serving has them: uint8, RGB, the last axis the colours."""

import torch
from torch import Tensor, nn

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of pixels from 0 to 1, as torchvision's


class PixelClassifier(nn.Module):
    """A network that takes ImageNet's normalised pixels, with that normalisation in front of it."""

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        self.register_buffer("scale", 1 / (255 * std), persistent=False)
        self.register_buffer("shift", -mean / std, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """RGB pixels (N, H, W, 3), 0 to 255, uint8 or float -> float32 logits (N, classes)."""
        normalised = images.to(self.scale.dtype) * self.scale + self.shift
        planes = normalised.permute(
            0, 3, 1, 2
        )  # the colours still last in memory, as half precision on a GPU wants them
        if not torch.jit.is_tracing():
            # ONNX has no strides: pooling a permuted view would be exported as a Gather.
            planes = planes.contiguous()
        logits: Tensor = self.network(planes)
        return logits.float()
