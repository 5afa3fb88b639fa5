"""The network: torchvision's ResNet18 on raw pixels, with one output a class."""

from pathlib import Path

from torch import nn

from models.operators import import_torchvision
from models.pixels import PixelClassifier
from models.resnet18.photos import LABELS
from models.weights import load_weights


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
    load_weights(model, weights)
    return model.eval()
