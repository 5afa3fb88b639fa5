"""The network while it learns: one step, one epoch, and what a checkpoint holds."""

import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.resnet18.data import Photo, mix, random_views
from models.resnet18.model import build_model
from models.resnet18.photos import LABELS
from models.resnet18.recipe import Recipe


class Training:
    """The network on its way: what changes from step to step, and how. ``average`` is what will be kept."""

    def __init__(self, recipe: Recipe, photos: list[Photo], drawings: list[Photo]) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.photos, self.drawings = recipe, photos, drawings
        self.model = build_model(recipe.start == "imagenet")
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(recipe.averaging), use_buffers=True)
        self.optimizer = torch.optim.AdamW(parameter_groups(self.model, recipe.weight_decay))

    def run_epoch(self, number: int) -> float:
        """Sees as many pictures as there are photos, and gives the mean loss. Its number decides which."""
        generator = np.random.default_rng((self.recipe.seed, number))
        drawn = round(self.recipe.drawn_at(number / self.recipe.epochs) * len(self.photos))
        pictures = [self.photos[i] for i in generator.permutation(len(self.photos))[drawn:]]
        pictures += [self.drawings[i] for i in generator.integers(0, max(1, len(self.drawings)), drawn)]
        order = generator.permutation(len(pictures))
        batches = np.array_split(order, math.ceil(len(order) / self.recipe.batch_size))
        self.model.train()
        losses = []
        for step, batch in enumerate(batches):
            progress = (number + step / len(batches)) / self.recipe.epochs
            losses.append(self.run_step([pictures[i] for i in batch], progress, generator))
        return float(np.mean(losses))

    def run_step(self, pictures: list[Photo], progress: float, generator: np.random.Generator) -> float:
        """Learns from one batch, and gives its loss."""
        images = random_views(pictures, self.recipe.size_at(progress), generator)
        targets = F.one_hot(torch.tensor([picture.label for picture in pictures]), len(LABELS)).float()
        if generator.random() < self.recipe.mixed_at(progress):
            images, targets = mix(images, targets, generator)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(progress)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.model(images)
        loss = F.cross_entropy(logits, targets, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.average.update_parameters(self.model)
        return float(loss.detach())

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a checkpoint."""
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay for matrices and kernels, none for biases and normalisation."""
    parameters = list(model.parameters())
    return [
        {"params": [weights for weights in parameters if weights.ndim > 1], "weight_decay": weight_decay},
        {"params": [weights for weights in parameters if weights.ndim <= 1], "weight_decay": 0.0},
    ]
