"""``make bench``: measures Marina and its peers in turn, in one run each, and writes rows and the pages about them."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import handwriting as characters
from benchmarks import pictures, texts
from benchmarks.report import write_reports
from benchmarks.rows import Row, append_rows

console = Console(highlight=False)
app = typer.Typer(add_completion=False, help=__doc__)

Rounds = Annotated[int, typer.Option(help="How often each server is measured, in turn.")]
Options = Annotated[str, typer.Option(help='More options for marina serve, such as "--workers 2".')]
Save = Annotated[bool, typer.Option(help="Write the rows and the pages.")]
Excerpts = Annotated[Path | None, typer.Option(help="A CommonLit CSV; without it, passages of the samples' words.")]


@app.callback(invoke_without_command=True)
def all_of_them(context: typer.Context) -> None:
    """Without a command, everything is measured, one after another."""
    # So that what was started is ended, whoever ends the run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if context.invoked_subcommand is None:
        resnet18()
        ner()
        readability()
        handwriting()


@app.command()
def resnet18(rounds: Rounds = 3, options: Options = "", save: Save = True) -> None:
    """ResNet18 with ab, beside TorchServe's own handler."""
    finish(pictures.RESULTS, pictures.measure_pictures(rounds, options.split()), save)


@app.command()
def ner(rounds: Rounds = 3, options: Options = "", save: Save = True) -> None:
    """Entities with DistilBERT-base, beside a transformers pipeline behind FastAPI; then the shipped model."""
    finish(texts.NER_RESULTS, texts.measure_ner(rounds, options.split()), save)


@app.command()
def readability(rounds: Rounds = 3, options: Options = "", excerpts: Excerpts = None, save: Save = True) -> None:
    """Readability with BERT-base, beside the same graph padded to 300 tokens; then the shipped model."""
    finish(texts.READABILITY_RESULTS, texts.measure_readability(rounds, options.split(), excerpts), save)


@app.command()
def handwriting(
    rounds: Rounds = 3,
    options: Options = "",
    archive: Annotated[Path | None, typer.Option(help="Measure this archive, and build none.", exists=True)] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the exported ensemble is kept, to be used again.")] = None,
    runtime: Annotated[str, typer.Option(help="onnxruntime or openvino.")] = "onnxruntime",
    variant: Annotated[str, typer.Option(help="As marina archive has them.")] = "float32",
    batch_size: Annotated[int | None, typer.Option(help="In place of the model's own.")] = None,
    max_batch_delay: Annotated[int | None, typer.Option(help="In ms, in place of the model's own.")] = None,
    users: Annotated[int, typer.Option(help="Who are measured in each round, and start the search.")] = 75,
    seconds: Annotated[float, typer.Option(help="How long they are measured.")] = 60,
    most_users: Annotated[int, typer.Option(help="The search for the limit tries no more.")] = 400,
    save: Save = True,
) -> None:
    """The handwriting ensemble on one core: users under locust, the limit, and the models one after another."""
    keys = (("batchSize", batch_size), ("maxBatchDelay", max_batch_delay))
    build = characters.Build(archive, folder, runtime, variant, keys)
    plan = characters.Plan(users, seconds, most_users)
    finish(characters.RESULTS, characters.measure_handwriting(rounds, options.split(), build, plan), save)


def finish(results: Path, rows: list[Row], save: bool) -> None:
    for row in rows:
        console.print({key: value for key, value in row.items() if key not in ("run", "commit", "machine", "versions")})
    if save:
        append_rows(results, rows)
        write_reports()


if __name__ == "__main__":
    app()
