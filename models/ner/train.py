"""Trains the network: ``python -m models.ner.train --data DIR``."""

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress

from models.iob2 import read_sentences
from models.ner.data import Windows
from models.ner.decoding import judge
from models.ner.export import export_tagger
from models.ner.figures import write_figures
from models.ner.model import MAX_TOKENS, write_config
from models.ner.pieces import Pieces
from models.ner.recipe import Recipe
from models.ner.training import Training
from models.ner.vocabulary import learn_vocabulary, wrap
from models.weights import save_weights

HERE = Path(__file__).parent
HEADINGS = "epoch  training loss  dev precision  dev recall  dev F1"


@dataclass(frozen=True)
class Epoch:
    """One row of the table that the training prints. Dev is ``wikigold_dev``."""

    number: int
    loss: float
    dev_precision: float
    dev_recall: float
    dev_f1: float

    def __str__(self) -> str:
        return (
            f"{self.number:5}  {self.loss:13.4f}"
            f"  {self.dev_precision:13.4f}  {self.dev_recall:10.4f}  {self.dev_f1:6.4f}"
        )


def train(recipe: Recipe, data: Path, out: Path, resume: bool) -> Iterator[tuple[Epoch, Epoch]]:
    """Trains; gives after each epoch its row of the table and the best row.

    Keeps in ``out`` the tokenizer, the architecture and the weights of the epoch with the highest F1 on
    ``wikigold_dev``, and a checkpoint to resume from, which may be with another number of epochs. Raises ValueError
    where the checkpoint is of another recipe.
    """
    corpora = {name: read_sentences(data / f"{name}.txt") for name in recipe.shares}
    dev = read_sentences(data / "wikigold_dev.txt")
    tokenizer = learn_vocabulary((sentence for name in corpora for sentence in corpora[name]), recipe.pieces)
    training = Training(recipe, Windows(corpora, Pieces(tokenizer), recipe))
    wrap(tokenizer, MAX_TOKENS).save_pretrained(out)
    write_config(training.model.config, out / "config.json")
    checkpoint, made_by = out / "checkpoint.pt", repr(replace(recipe, epochs=0))
    first, best = 0, Epoch(0, 0.0, 0.0, 0.0, -1.0)
    if resume:
        saved = torch.load(checkpoint, weights_only=True)
        if saved["recipe"] != made_by:
            raise ValueError(f"The checkpoint was made by {saved['recipe']}, not by {made_by}.")
        training.restore(saved["training"])
        first, best = saved["epoch"], Epoch(**saved["best"])
    for number in range(first + 1, recipe.epochs + 1):
        loss = training.run_epoch(number - 1)
        score = judge(training.average, tokenizer, dev)["all"]
        row = Epoch(number, loss, score.precision, score.recall, score.f1)
        if row.dev_f1 > best.dev_f1:
            best = row
            save_weights(training.average.module, out / "weights.safetensors")
        state = {"training": training.state(), "epoch": number, "best": asdict(best), "recipe": made_by}
        torch.save(state, checkpoint)
        yield row, best


def parse_options() -> argparse.Namespace:
    """The command line."""
    recipe = Recipe()
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the corpora, such as gmb_train.txt and wikigold_dev.txt")
    add("--epochs", type=int, default=recipe.epochs, help="default: %(default)s")
    add("--steps", type=int, default=recipe.steps, help="in an epoch (default: %(default)s)")
    add("--pieces", type=int, default=recipe.pieces, help="of the vocabulary, at most (default: %(default)s)")
    add("--layers", type=int, default=recipe.layers, help="default: %(default)s")
    add("--width", type=int, default=recipe.width, help="default: %(default)s")
    add("--seed", type=int, default=recipe.seed, help="default: %(default)s")
    add("--threads", type=int, default=torch.get_num_threads(), help="default: one a core")
    add("--resume", action="store_true", help="go on from the checkpoint in --out")
    add("--out", type=Path, default=HERE, help="where to write (default: the model's own folder)")
    return parser.parse_args()


def main() -> None:
    """Trains, shows the table, and writes tokenizer, weights, graph and figures."""
    options = parse_options()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = {name: getattr(options, name) for name in ("epochs", "steps", "pieces", "layers", "width", "seed")}
    recipe = Recipe(**chosen)
    console = Console(highlight=False)
    console.print(HEADINGS)
    with Progress(console=console) as progress:
        bar = progress.add_task("training", total=recipe.epochs)
        for row, best in train(recipe, options.data, options.out, options.resume):
            progress.update(bar, completed=row.number)
            kept_epoch = best.number
            console.print(str(row))
    export_tagger(options.out)
    figures = write_figures(options.out, options.data, {**asdict(recipe), "kept_epoch": kept_epoch})
    (options.out / "checkpoint.pt").unlink()
    console.print(
        f"Kept epoch {kept_epoch}; F1 on wikigold_test {figures['corpora']['wikigold_test']['all']['f1']:.3f}."
    )


if __name__ == "__main__":
    main()
