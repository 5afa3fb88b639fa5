"""Trains one member: ``python -m models.handwriting.train --member NAME --drawn DRAWN --dev DEV.ZIP``."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.handwriting.data import Judged, batches, load_judged, open_drawn
from models.handwriting.judging import accuracy, predict
from models.handwriting.model import HERE, MEMBERS, build_member
from models.handwriting.recipe import Recipe
from models.weights import load_weights, save_weights

HEADINGS = "epoch  training loss  dev top-1  dev top-5"


@dataclass(frozen=True)
class Epoch:
    """One row of the table that the training prints."""

    number: int
    training_loss: float
    top1: float
    top5: float

    def __str__(self) -> str:
        return f"{self.number:5}  {self.training_loss:13.4f}  {self.top1:9.4f}  {self.top5:9.4f}"


class Training:
    """A member, its average over time, and the optimiser."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.model = build_member(recipe.member).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(recipe.memory), use_buffers=True)
        weights = [parameter for parameter in self.model.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in self.model.parameters() if parameter.ndim <= 1]
        groups = [{"params": weights, "weight_decay": recipe.decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.rate, fused=True)

    def run_epoch(self, drawn: Path, epoch: int) -> Iterator[tuple[float, float]]:
        """Learns one file of pictures; after each batch gives the share that is done, and the batch's loss."""
        recipe = self.recipe
        pixels, labels = open_drawn(drawn, recipe.first_file + epoch, recipe.seed)
        size = recipe.small if epoch < recipe.small_epochs else recipe.size
        self.model.train()
        for number, (views, classes) in enumerate(batches(pixels, labels, size, recipe.batch)):
            done = number * recipe.batch / len(labels)
            for group in self.optimizer.param_groups:
                group["lr"] = recipe.rate_at(epoch + done)
            loss = F.cross_entropy(self.model(views), classes, label_smoothing=recipe.smoothing)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.average.update_parameters(self.model)
            yield done, loss.item()

    def begin_with(self, weights: Path) -> None:
        """Takes a trained ensemble's weights of this member."""
        for network in (self.model, self.average.module):
            load_weights(network, weights, f"{self.recipe.member}.")

    def state(self) -> dict[str, object]:
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, dict[str, object]]) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])


def parse_options() -> argparse.Namespace:
    """The command line."""
    recipe = Recipe(MEMBERS[0])
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--member", choices=MEMBERS, required=True)
    add("--drawn", type=Path, required=True, help="the folder that models.handwriting.draw wrote")
    add("--dev", type=Path, required=True, help="real pictures to measure on: a zip of a folder a class")
    add("--labels", type=Path, help="a table of index and dir (default: labels.csv beside --dev)")
    add("--epochs", type=int, default=recipe.epochs, help="default: %(default)s")
    add("--threads", type=int, default=torch.get_num_threads(), help="default: one a core")
    add("--resume", action="store_true", help="go on from the checkpoint in --out")
    add("--start", type=Path, help="weights.safetensors to begin with, at full size and half the rate")
    add("--out", type=Path, default=HERE / "trained", help="where to write (default: %(default)s)")
    return parser.parse_args()


def main() -> None:
    """Trains, shows the table, and writes the member's weights after each epoch, and at last how it was trained."""
    options = parse_options()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    recipe = replace(Recipe(options.member), epochs=options.epochs)
    if options.start:
        # What is known already needs no small pictures, and a high rate would forget it.
        recipe = replace(recipe, small_epochs=0, rate=recipe.rate / 2, first_file=2)
    dev: Judged = load_judged(options.dev, options.labels or options.dev.with_name("labels.csv"))
    pixels = dev.pixels(recipe.size)
    training, first = Training(recipe), 0
    if options.start:
        training.begin_with(options.start)
    checkpoint = options.out / f"{recipe.member}.checkpoint.pt"
    if options.resume:
        saved = torch.load(checkpoint, weights_only=True)
        training.restore(saved["training"])
        first = saved["epoch"]
    console = Console(highlight=False)
    console.print(HEADINGS)
    with Progress(console=console) as progress:
        bar = progress.add_task(recipe.member, total=recipe.epochs)
        for number in range(first, recipe.epochs):
            losses = []
            for done, loss in training.run_epoch(options.drawn, number):
                losses.append(loss)
                progress.update(bar, completed=number + done)
            scores = predict(training.average, pixels)
            row = Epoch(
                number + 1,
                sum(losses) / len(losses),
                accuracy(scores, dev.labels, 1),
                accuracy(scores, dev.labels, 5),
            )
            console.print(str(row))
            save_weights(training.average.module, options.out / f"{recipe.member}.safetensors")
            torch.save({"training": training.state(), "epoch": number + 1}, checkpoint)
    (options.out / f"{recipe.member}.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n")


if __name__ == "__main__":
    main()
