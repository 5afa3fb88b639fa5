"""Lets torchvision, timm and transformers be imported beside a build of torch that theirs does not match."""

import importlib
import sys
from types import ModuleType

import torch

SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def import_torchvision() -> ModuleType:
    """torchvision, also where its compiled operators cannot be loaded.

    PyPI's torchvision is compiled for CUDA. Beside the CPU build of torch its operators do not load, and the
    import stops at the first one it wants to describe. No model here calls them, so their schemas suffice.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms" + SIGNATURE)
    library.define("qnms" + SIGNATURE)
    torchvision = importlib.import_module("torchvision")
    vars(torchvision)["declared_operators"] = library  # they vanish with the object that declared them
    return torchvision
