"""Ants and bees as TorchScript, traced with the torch of the Elastic Inference image: export.py WEIGHTS OUT.

For Python 3.6 and torch 1.5.1, which no file under models/ can be read with; the network is the same, and so are the
weights, which `make test-ei` holds it to by its answers.
"""

import json
import struct
import sys

import numpy as np
import torch
import torchvision

# As models/pixels.py has them: ImageNet's, of pixels from 0 to 1.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DTYPES = {"F16": np.float16, "F32": np.float32, "I64": np.int64}
SIDE = 224


class PixelClassifier(torch.nn.Module):
    """RGB pixels (N, H, W, 3), uint8 -> float32 logits (N, 2)."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        mean, std = torch.tensor(MEAN), torch.tensor(STD)
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("shift", -mean / std)

    def forward(self, images):
        normalised = images.float() * self.scale + self.shift
        return self.network(normalised.permute(0, 3, 1, 2).contiguous())


def read_safetensors(path):
    """The tensors of a safetensors file by name; the package that reads them wants Python 3.7."""
    with open(path, "rb") as file:
        data = file.read()
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:begin].decode("utf-8")).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            array = np.frombuffer(data[begin + first : begin + last], DTYPES[entry["dtype"]])
            tensors[name] = torch.from_numpy(array.reshape(entry["shape"]).copy())
    return tensors


def main():
    weights, out = sys.argv[1:]
    network = torchvision.models.resnet18(num_classes=2)
    state = network.state_dict()
    stored = read_safetensors(weights)
    network.load_state_dict({name: stored[name].to(state[name].dtype) for name in state})
    module = PixelClassifier(network).eval()
    with torch.no_grad():
        traced = torch.jit.trace(module, torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8))
    torch.jit.save(traced, out)


if __name__ == "__main__":
    main()
