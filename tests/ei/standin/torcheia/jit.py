"""Attaching: here the model stays on the CPU, and how it was asked for is held to what the service wants."""

import torch


def attach_eia(module, device):
    if not isinstance(module, torch.jit.ScriptModule) or module.training or device != 0:
        raise ValueError("the service attaches TorchScript in eval mode, to its first accelerator")
    return module
