"""The network: torchvision's ResNet18 on raw pixels, with one output a class."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from models.operators import import_torchvision

LABELS = ("ant", "bee")
IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of RGB in 0..1, torchvision's constants
IMAGENET_STD = (0.229, 0.224, 0.225)


class PixelClassifier(nn.Module):
    """A network on normalised (N, 3, H, W), put behind pixels as a decoder gives them."""

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
        normalised = images.float() * self.scale + self.shift
        # Contiguous, for ONNX has no strides: pooling a permuted view would be exported as a Gather.
        logits: Tensor = self.network(normalised.permute(0, 3, 1, 2).contiguous())
        return logits.float()


def build_model(pretrained: bool = False, outputs: int = len(LABELS)) -> PixelClassifier:
    """An untrained classifier, or one whose layers below the head are torchvision's ImageNet weights.

    The names in ``model.network.state_dict()`` are torchvision's. ``pretrained`` downloads 45 MB.
    """
    resnet18 = import_torchvision().models.resnet18
    network: nn.Module = resnet18(weights="IMAGENET1K_V1") if pretrained else resnet18(zero_init_residual=True)
    network.fc = nn.Linear(512, outputs)
    return PixelClassifier(network)


def load_model(weights: Path) -> PixelClassifier:
    """The trained classifier in float32, ready to answer, from a safetensors file of any float type."""
    model = build_model()
    model.network.load_state_dict(
        {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in load_file(weights).items()}
    )
    return model.eval()
