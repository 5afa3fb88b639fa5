"""A network's weights in a safetensors file: float16 there, float32 in use."""

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

PREFIX = "network."  # of a network's own names, where another module stands around it


def save_weights(network: nn.Module, path: Path) -> None:
    """Writes the network's weights as float16, under its own names; counters stay whole numbers."""
    save_tensors(
        {
            name.removeprefix(PREFIX): tensor.half() if tensor.is_floating_point() else tensor
            for name, tensor in network.state_dict().items()
        },
        path,
    )


def load_weights(network: nn.Module, path: Path, folder: str = "") -> None:
    """Sets the network's weights from a file that ``save_weights`` wrote; ``folder`` stands before every name there."""
    stored = load_file(path)
    state = network.state_dict()
    network.load_state_dict({name: stored[folder + name.removeprefix(PREFIX)].to(state[name].dtype) for name in state})


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Writes tensors by name."""
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    path.chmod(0o644)  # as other files, where safetensors lets only their owner read
