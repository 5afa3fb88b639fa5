"""Trains the network: ``python -m models.readability.train --data train.csv``, from scratch or from a checkpoint."""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress

from models.checkpoints import max_tokens
from models.readability.checkpoint import read_regression
from models.readability.data import Excerpts, Splits, read_splits
from models.readability.export import HERE, ParityError, export_regression
from models.readability.figures import write_figures
from models.readability.finetuning import FineTuning, Settings
from models.readability.judging import batch_rmse, rmse
from models.readability.model import rescale
from models.readability.recipe import Recipe
from models.readability.scores import score_texts
from models.readability.scratch import Scratch

HEADINGS = "epoch  training loss  validation loss    RMSE"
Training = Scratch | FineTuning


@dataclass(frozen=True)
class Epoch:
    """One row of the table that the training prints. The RMSE is that of all validation excerpts."""

    number: int
    training_loss: float
    validation_loss: float
    rmse: float

    def __str__(self) -> str:
        return f"{self.number:5}  {self.training_loss:13.4f}  {self.validation_loss:15.4f}  {self.rmse:6.4f}"


def judge(training: Training, number: int, loss: float, dev: Excerpts) -> Epoch:
    """The row of an epoch that just ended."""
    outputs = score_texts(training.kept, training.tokenizer, dev.texts, training.max_tokens)
    scores = training.mean + training.spread * outputs
    return Epoch(number, loss, batch_rmse(scores, dev, training.batch_size), rmse(scores, dev.targets))


def train(training: Training, made_by: str, dev: Excerpts, out: Path, resume: bool) -> Iterator[tuple[float, Any, Any]]:
    """Trains; gives how many epochs are done, and after each its row and the best row, in between None.

    Keeps in ``out`` a checkpoint to resume from and ``best.pt``, the weights of the epoch with the lowest RMSE.
    Raises ValueError where the checkpoint was made otherwise than ``made_by`` says.
    """
    checkpoint = out / "checkpoint.pt"
    first, best = 0, Epoch(0, math.inf, math.inf, math.inf)
    if resume:
        saved = torch.load(checkpoint, weights_only=True)
        if saved["made_by"] != made_by:
            raise ValueError(f"The checkpoint was made by {saved['made_by']}, not by {made_by}.")
        training.restore(saved["training"])
        first, best = saved["epoch"], Epoch(**saved["best"])
    yield first, None, best
    for number in range(first + 1, training.epochs + 1):
        loss = math.nan
        for done, mean_loss in training.run_epoch(number - 1):
            loss = mean_loss
            yield number - 1 + done, None, best
        row = judge(training, number, loss, dev)
        if row.rmse < best.rmse:
            best = row
            torch.save(training.kept.state_dict(), out / "best.pt")
        state = {"training": training.state(), "epoch": number, "best": asdict(best), "made_by": made_by}
        torch.save(state, checkpoint)
        yield number, row, best


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="CSV with excerpt and target, a zip, or a folder that holds train.csv")
    add("--from", dest="start", help="checkpoint to fine-tune: a name on the hub or a folder (default: none)")
    add("--out", type=Path, help="where to write (default from scratch: the model's own folder)")
    add("--epochs", type=int, help="default: 3 from a checkpoint, else the recipe's")
    add("--learning-rate", type=float, help="from a checkpoint (default: 1e-5)")
    add("--batch-size", type=int, help="from a checkpoint (default: 32)")
    add("--max-tokens", type=int, help="that a text is cut to (default: 300 from a checkpoint, else 512)")
    add("--layers", type=int, help="from scratch (default: the recipe's)")
    add("--width", type=int, help="from scratch (default: the recipe's)")
    add("--pieces", type=int, help="from scratch: size of the vocabulary (default: the recipe's)")
    add("--seed", type=int, help="default: 0")
    add("--threads", type=int, default=torch.get_num_threads(), help="default: one a core")
    add("--resume", action="store_true", help="go on from the checkpoint in --out")
    options = parser.parse_args()
    if options.start and not options.out:
        parser.error("--from needs --out: the folder to write the fine-tuned model to")
    return options


def choose(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Those of the named options that were given."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def prepare(options: argparse.Namespace, splits: Splits) -> tuple[Training, str]:
    """The network before its first step, and what decides the rest."""
    if options.start:
        given = choose(options, "epochs", "learning_rate", "batch_size", "max_tokens", "seed")
        settings = Settings(options.start, **given)
        model, tokenizer = read_regression(options.start, splits.train, settings.seed)
        if settings.max_tokens > max_tokens(model):
            raise ValueError(f"{options.start} takes {max_tokens(model)} tokens at most; give --max-tokens.")
        return FineTuning(settings, model, tokenizer, splits.train), repr(settings)
    recipe = replace(Recipe(), **choose(options, "layers", "width", "pieces", "max_tokens", "seed"))
    recipe = recipe.with_epochs(options.epochs) if options.epochs else recipe
    return Scratch(recipe, splits.train), repr(recipe)


def run(options: argparse.Namespace, console: Console) -> None:
    """Trains, shows the table, keeps the best epoch and writes everything that serving needs."""
    out: Path = options.out or HERE
    out.mkdir(parents=True, exist_ok=True)
    splits = read_splits(options.data, options.seed or 0)
    training, made_by = prepare(options, splits)
    console.print(HEADINGS)
    with Progress(console=console) as progress:
        bar = progress.add_task("training", total=training.epochs)
        for done, row, best in train(training, made_by, splits.dev, out, options.resume):
            progress.update(bar, completed=done)
            kept = best
            if row:
                console.print(str(row))
    model = training.kept
    model.load_state_dict(torch.load(out / "best.pt", weights_only=True))
    rescale(model, training.mean, training.spread)
    exported = export_regression(out, model, training.tokenizer, splits.dev.texts, training.max_tokens, options.start)
    console.print(f"Kept epoch {kept.number}, RMSE {kept.rmse:.4f}. {exported}")
    if isinstance(training, Scratch):
        recipe = json.loads(json.dumps(asdict(training.recipe)))
        write_figures(out, splits, {**recipe, "kept_epoch": kept.number})
    for name in ("checkpoint.pt", "best.pt"):
        (out / name).unlink()


def main() -> None:
    """Runs the command; exits with 1 and a sentence where the data or the exported graph is no good."""
    options = parse_options()
    torch.set_num_threads(options.threads)
    try:
        run(options, Console(highlight=False))
    except (ValueError, OSError, ParityError) as error:
        sys.exit(f"{type(error).__name__}: {error}" if isinstance(error, OSError) else str(error))


if __name__ == "__main__":
    main()
