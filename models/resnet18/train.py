"""Trains the network: ``python -m models.resnet18.train --data DIR``."""

import argparse
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress
from torch import nn
from torch.nn import functional as F

from models.resnet18.data import Judged, draw_photos, load_judged, load_photos
from models.resnet18.export import export_classifier
from models.resnet18.figures import write_figures
from models.resnet18.recipe import Recipe
from models.resnet18.training import Training
from models.weights import save_weights

HERE = Path(__file__).parent
HEADINGS = "epoch  training loss  dev loss  dev accuracy"


@dataclass(frozen=True)
class Epoch:
    """One row of the table that the training prints."""

    number: int
    training_loss: float
    dev_loss: float
    dev_accuracy: float

    def __str__(self) -> str:
        return f"{self.number:5}  {self.training_loss:13.4f}  {self.dev_loss:8.4f}  {self.dev_accuracy:12.4f}"


@torch.inference_mode()
def judge(model: nn.Module, photos: Judged) -> tuple[float, float]:
    """Mean cross-entropy and accuracy on photos preprocessed as in serving."""
    model.eval()
    logits = torch.cat([model(images) for images in photos.images.split(20)])
    accuracy = (logits.argmax(1) == photos.labels).float().mean()
    return float(F.cross_entropy(logits, photos.labels)), float(accuracy)


def train(recipe: Recipe, data: Path, out: Path, resume: bool) -> Iterator[tuple[int, Epoch | None, Epoch]]:
    """Trains; gives after each epoch its number, its row of the table if it was judged, and the best row.

    Keeps in ``out`` the weights of the epoch with the lowest dev loss, and a checkpoint to resume from.
    Raises ValueError where the checkpoint is of another recipe.
    """
    photos, dev = load_photos(data / "train"), load_judged(data / "dev")
    training = Training(recipe, photos, draw_photos(recipe.drawings, recipe.seed))
    checkpoint, made_by = out / "checkpoint.pt", repr(recipe)
    first, best = 0, Epoch(0, math.inf, math.inf, 0.0)
    if resume:
        saved = torch.load(checkpoint, weights_only=True)
        if saved["recipe"] != made_by:
            raise ValueError(f"The checkpoint was made by {saved['recipe']}, not by {made_by}.")
        training.restore(saved["training"])
        first, best = saved["epoch"], Epoch(**saved["best"])
    yield first, None, best
    for number in range(first + 1, recipe.epochs + 1):
        loss, row = training.run_epoch(number - 1), None
        if number % recipe.judged_every == 0 or number == recipe.epochs:
            row = Epoch(number, loss, *judge(training.average, dev))
            if row.dev_loss < best.dev_loss:
                best = row
                save_weights(training.average.module, out / "weights.safetensors")
            state = {"training": training.state(), "epoch": number, "best": asdict(best), "recipe": made_by}
            torch.save(state, checkpoint)
        yield number, row, best


def parse_options() -> argparse.Namespace:
    """The command line."""
    recipe = Recipe()
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        required=True,
        help="folder of train, dev and test, in each one of ants and one of bees",
    )
    add(
        "--from",
        dest="start",
        choices=("scratch", "imagenet"),
        default=recipe.start,
        help="the first weights: random, or torchvision's, which are downloaded (default: %(default)s)",
    )
    add("--epochs", type=int, default=recipe.epochs, help="default: %(default)s")
    add("--size", type=int, default=recipe.size, help="of the first views, in pixels (default: %(default)s)")
    add(
        "--drawings",
        type=int,
        default=recipe.drawings,
        help="drawn pictures to learn from (default: %(default)s)",
    )
    add("--seed", type=int, default=recipe.seed, help="default: %(default)s")
    add("--threads", type=int, default=torch.get_num_threads(), help="default: one a core")
    add("--resume", action="store_true", help="go on from the checkpoint in --out")
    add("--out", type=Path, default=HERE, help="where to write (default: the model's own folder)")
    return parser.parse_args()


def main() -> None:
    """Trains, shows the table, and writes weights, graph and figures."""
    options = parse_options()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(
        start=options.start,
        epochs=options.epochs,
        size=options.size,
        drawings=options.drawings,
        seed=options.seed,
    )
    console = Console(highlight=False)
    console.print(HEADINGS)
    with Progress(console=console) as progress:
        bar = progress.add_task("training", total=recipe.epochs)
        for number, row, best in train(recipe, options.data, options.out, options.resume):
            progress.update(bar, completed=number)
            kept_epoch = best.number
            if row:
                console.print(str(row))
    export_classifier(options.out)
    figures = write_figures(options.out, options.data, {**asdict(recipe), "kept_epoch": kept_epoch})
    (options.out / "checkpoint.pt").unlink()
    console.print(f"Kept epoch {kept_epoch}; accuracy on test {figures['test']['accuracy']:.3f}.")


if __name__ == "__main__":
    main()
