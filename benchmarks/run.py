"""``make bench``: measures Marina and its peers in turn, in one run each, and writes rows and the pages about them."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

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
    if context.invoked_subcommand is None:
        resnet18()
        ner()
        readability()


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


def finish(results: Path, rows: list[Row], save: bool) -> None:
    for row in rows:
        console.print({key: value for key, value in row.items() if key not in ("run", "commit", "machine", "versions")})
    if save:
        append_rows(results, rows)
        write_reports()


if __name__ == "__main__":
    app()
