"""A member that learns from pictures as they are drawn, for a time."""

import os
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.handwriting.drawing.bank import Bank
from models.handwriting.drawing.pictures import Pictures
from models.handwriting.judging import accuracy
from models.handwriting.model import build_member
from models.handwriting.pretrained import HEAD
from models.handwriting.recipe import Recipe
from models.weights import PREFIX, save_weights

JUDGED = 256  # pictures at a time
TRIED = 4  # batches in each memory layout


def fastest_layout(model: nn.Module, batch: int, size: int) -> torch.memory_format:
    """The memory layout in which a copy of the model learns faster on this GPU: it depends on cuDNN's kernels."""
    took = {}
    views = torch.rand(batch, size, size, 3, device="cuda") * 255
    for layout in (torch.channels_last, torch.contiguous_format):
        trial = deepcopy(model).to(memory_format=layout).train()
        for _ in range(TRIED):  # the last is the one that counts
            torch.cuda.synchronize()
            begun = time.monotonic()
            with torch.autocast("cuda", torch.bfloat16):
                loss = trial(views).square().mean()
            loss.backward()
            torch.cuda.synchronize()
            took[layout] = time.monotonic() - begun
    print(", ".join(f"{layout}: {1000 * seconds:.0f} ms a batch" for layout, seconds in took.items()), flush=True)
    return min(took, key=lambda layout: took[layout])


@dataclass(frozen=True)
class Row:
    """One row of the table that the training prints: ``aside`` is of fonts kept aside, ``written`` by new hands."""

    seconds: float
    pictures: int
    loss: float
    aside_1: float
    aside_5: float
    written_1: float

    def __str__(self) -> str:
        return (
            f"{self.seconds:7.0f}  {self.pictures:9}  {self.loss:6.3f}  {self.aside_1:11.4f}  {self.aside_5:11.4f}"
            f"  {self.written_1:13.4f}"
        )


HEADINGS = "seconds   pictures    loss  aside top-1  aside top-5  written top-1"


class Training:
    """A member, its average over time, the optimiser, and what draws its pictures."""

    def __init__(self, recipe: Recipe, bank: Bank, device: str) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.device = recipe, device
        self.model = build_member(recipe.member).to(device)
        if device == "cuda":
            self.model.to(memory_format=fastest_layout(self.model, recipe.batch, recipe.size))
        weights = [parameter for parameter in self.model.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in self.model.parameters() if parameter.ndim <= 1]
        groups = [{"params": weights, "weight_decay": recipe.decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.rate, fused=True)
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(recipe.memory), use_buffers=True)
        self.pictures = Pictures(bank.only(aside=False), recipe.written)
        self.aside = Pictures(bank.only(aside=True), written=0.0)
        self.hands = Pictures(bank.only(aside=False), written=1.0)
        self.seen = 0

    def begin_with(self, weights: Path) -> None:
        """Takes weights of this member, or of an ensemble with it; a head for other classes stays as it is.

        Raises ValueError if other weights are missing.
        """
        stored = load_file(weights)
        folder = f"{self.recipe.member}."
        own = {name.removeprefix(folder): value for name, value in stored.items() if name.startswith(folder)}
        state = {PREFIX + name: value for name, value in (own or stored).items()}
        missing, _ = self.model.load_state_dict(state, strict=False)
        if set(missing) - {PREFIX + name for name in HEAD}:
            raise ValueError(f"{weights} lacks {', '.join(missing)}.")
        self.average.module.load_state_dict(self.model.state_dict())

    def run(self) -> Iterator[tuple[float, Tensor]]:
        """Learns until the time is over; after each batch gives the seconds that had passed, and its loss."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < self.recipe.seconds:
            yield passed, self.step(passed / self.recipe.seconds)

    def step(self, done: float) -> Tensor:
        """Learns one batch, and gives its loss, which is perhaps not computed yet."""
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate_at(done)
        views, classes = self.pictures.draw(recipe.batch, recipe.size_at(done), recipe.freedom_at(done))
        self.model.train()
        with self.half():
            logits = self.model(views)
        loss = F.cross_entropy(logits, classes, label_smoothing=recipe.smoothing)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(self.model)
        self.seen += recipe.batch
        return loss.detach()

    def half(self) -> torch.autocast:
        """Half precision on a GPU; on a CPU it would only be slower."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda")

    @torch.inference_mode()
    def judge(self, pictures: Pictures, count: int) -> tuple[float, float]:
        """How often the average's first answer is right, and one of its first five, of so many drawn pictures."""
        self.average.eval()
        with torch.random.fork_rng([torch.cuda.current_device()] if self.device == "cuda" else []):
            torch.manual_seed(0)
            drawn = [pictures.draw(min(count, JUDGED), self.recipe.size) for _ in range(max(1, count // JUDGED))]
        with self.half():
            scores = torch.cat([self.average(views) for views, _ in drawn])
        labels = torch.cat([classes for _, classes in drawn])
        return accuracy(scores, labels, 1), accuracy(scores, labels, 5)

    def save(self, path: Path) -> None:
        """Writes the average's weights, whole or not at all."""
        partial = path.with_suffix(".partial")
        save_weights(self.average.module, partial)
        os.replace(partial, path)
