"""``make bench``: measures Marina and its peers in turn, in one run each, and writes rows and the pages about them."""

import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import gpu as on_gpu
from benchmarks import handwriting as characters
from benchmarks import latency as waiting
from benchmarks import limit as in_process
from benchmarks import peer_runs, pictures, places, texts
from benchmarks import quick as shorter
from benchmarks import together as at_once
from benchmarks import tuner as tuning
from benchmarks.archives import MODELS, find_archive
from benchmarks.parts import FINISHED, Progress, run_parts
from benchmarks.plots import PEERS_PLOT, plot_peers
from benchmarks.report import quick_figures, write_reports
from benchmarks.rows import Row, append_rows, describe_commit

console = Console(highlight=False, soft_wrap=True)
app = typer.Typer(add_completion=False, help=__doc__)
UNTOLD = ("run", "commit", "machine", "versions")

Rounds = Annotated[int, typer.Option(help="How often each is measured, in turn.")]
Options = Annotated[str, typer.Option(help='More options for marina serve, such as "--workers 2".')]
Save = Annotated[bool, typer.Option(help="Write the rows and the pages.")]
Variant = Annotated[str | None, typer.Option(help="Builds the archive, as marina archive has it.")]
Runtime = Annotated[str | None, typer.Option(help="onnxruntime or openvino; builds the archive.")]
Excerpts = Annotated[Path | None, typer.Option(help="A CommonLit CSV; without it, passages of the samples' words.")]
Seconds = Annotated[float, typer.Option(help="How long each is measured in each round.")]


@app.callback(invoke_without_command=True)
def all_of_them(
    context: typer.Context,
    resume: Annotated[bool, typer.Option("--resume", help="Skip what is finished, though files have changed.")] = False,
) -> None:
    """Without a command, everything is measured, one after another, but what was finished at this commit."""
    # So that what was started is ended, whoever ends the run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if context.invoked_subcommand is None:
        failed = run_parts(all_parts(), Progress(FINISHED, describe_commit()), console.print, resume)
        if failed:
            console.print(f"Not measured: {', '.join(failed)}")
            raise typer.Exit(1)


def all_parts() -> dict[str, Callable[[], None]]:
    """By name, in their order: the figures that are asked for first come first."""
    parts: dict[str, Callable[[], None]] = {
        "resnet18": resnet18,
        "peers": peers_or_rest,
        "latency": latency,
        "ner": ner,
        "handwriting": handwriting,
        "together": together,
        "readability": readability,
        "servers": servers,
    }
    parts |= {f"limit of {model}": partial(limit, model) for model in MODELS}
    return parts | {f"tuner on {model}": partial(tuner, [model]) for model in MODELS}


@app.command()
def resnet18(
    rounds: Rounds = 3,
    seconds: Seconds = 10,
    variant: Variant = None,
    runtime: Runtime = None,
    options: Options = "",
    save: Save = True,
) -> None:
    """ResNet18 with ab, beside TorchServe's own handler and the handler in process."""
    plan = pictures.Plan(rounds, seconds, variant=variant, runtime=runtime, options=tuple(options.split()))
    finish(pictures.RESULTS, pictures.measure_pictures(plan), save)


@app.command()
def limit(
    model: Annotated[str, typer.Argument(help="One of the models.")],
    rounds: Rounds = 3,
    seconds: Seconds = in_process.WINDOW_S,
    trial: Annotated[float, typer.Option(help="Seconds for each point before the rounds.")] = in_process.TRIAL_S,
    archive: Annotated[Path | None, typer.Option(help="Measure this archive, and build none.", exists=True)] = None,
    variant: Variant = None,
    runtime: Runtime = None,
    save: Save = True,
) -> None:
    """An archive's handler in process, no server around it, and what its time is made of."""
    with TemporaryDirectory() as scratch:
        path = archive or find_archive(model, Path(scratch), variant, runtime)
        rows = in_process.measure_limit(path, rounds, in_process.Window(seconds), trial)
    finish(in_process.RESULTS, rows, save)


@app.command()
def latency(
    rounds: Rounds = 3,
    closed_seconds: Annotated[float, typer.Option(help="Of the closed loop, each delay in each round.")] = 10,
    open_seconds: Annotated[float, typer.Option(help="At half of what it found.")] = 30,
    alone: Annotated[int, typer.Option(help="Requests that are sent alone.")] = 150,
    variant: Variant = None,
    runtime: Runtime = None,
    options: Options = "",
    save: Save = True,
) -> None:
    """ResNet18 at half the maximum load, and alone; with each of several batch delays."""
    plan = waiting.Plan(
        inputs=(pictures.PICTURE,),
        rounds=rounds,
        closed_s=closed_seconds,
        open_s=open_seconds,
        alone=alone,
        variant=variant,
        runtime=runtime,
        options=tuple(options.split()),
    )
    finish(waiting.RESULTS, waiting.measure_latency(plan), save)


@app.command()
def together(
    rounds: Rounds = 3,
    seconds: Annotated[float, typer.Option(help="Of each model alone.")] = 15,
    together_seconds: Annotated[float, typer.Option(help="Of all at once.")] = 30,
    options: Options = "",
    save: Save = True,
) -> None:
    """All the models on one server at once, beside each having the cores alone."""
    plan = at_once.Plan(rounds=rounds, seconds=seconds, together_s=together_seconds, options=tuple(options.split()))
    finish(at_once.RESULTS, at_once.measure_together(plan), save)


@app.command()
def tuner(
    models: Annotated[list[str] | None, typer.Argument(help="Of the models; all where none is named.")] = None,
    runs: Annotated[int, typer.Option(help="How often each is tuned.")] = 3,
    seconds: Annotated[float, typer.Option(help="For each choice beside the others, in each of 3 rounds.")] = 10,
    budget_minutes: Annotated[float, typer.Option(help="Of each run of the tuner, at most.")] = 4,
    exhaustive: Annotated[bool, typer.Option(help="Measure the whole grid as well, after the first run.")] = True,
    save: Save = True,
) -> None:
    """marina tune beside an exhaustive grid: hours."""
    chosen = tuple(models or MODELS)
    plan = tuning.Plan(chosen, runs, seconds=seconds, budget_minutes=budget_minutes, exhaustive=exhaustive)
    finish(tuning.RESULTS, tuning.measure_tuner(plan, console.print), save)


@app.command()
def quick(
    rounds: Rounds = 3,
    seconds: Seconds = 4,
    variant: Variant = None,
    runtime: Runtime = None,
    results: Annotated[Path, typer.Option(help="The rows.")] = shorter.RESULTS,
) -> None:
    """The first three figures, in under five minutes."""
    plan = shorter.Plan(rounds, seconds, variant=variant, runtime=runtime)
    rows = shorter.measure_quick(plan, console.print)
    append_rows(results, rows)
    served = rows[0]
    table = Table("figure", "asked, at least", "got", title=f"ResNet18, {served['variant']} in {served['runtime']}")
    for figure in quick_figures([{name: str(value) for name, value in row.items()} for row in rows]):
        table.add_row(*figure)
    console.print(table)


@app.command()
def peers(
    only: Annotated[list[str] | None, typer.Option(help="This peer, and others so named; without it, all.")] = None,
    rounds: Rounds = 3,
    seconds: Annotated[float, typer.Option(help="Of ab, then of locust, for each server in each round.")] = 20,
    requests: Annotated[int | None, typer.Option(help="Of ab, in place of its seconds.")] = None,
    grid_seconds: Annotated[float, typer.Option(help="Of ab, for each of a peer's settings.")] = 6,
    variant: Variant = None,
    runtime: Runtime = None,
    store: Annotated[Path, typer.Option(help="Where the archive is, if it is not built.")] = peer_runs.STORE,
    options: Options = "",
    resume: Annotated[bool, typer.Option(help="Go on with the last run, which was cut short.")] = False,
    results: Annotated[Path, typer.Option(help="The rows; the grids' are beside it.")] = peer_runs.RESULTS,
    plot: Annotated[Path, typer.Option(help="The bar chart.")] = PEERS_PLOT,
) -> None:
    """ResNet18 behind each server that people choose from, with the same model file: ab and locust."""
    chosen = tuple(only or ())
    plan = peer_runs.Plan(
        chosen,
        rounds,
        seconds,
        requests,
        grid_seconds,
        tuple(options.split()),
        store=store,
        variant=variant,
        runtime=runtime,
        resume=resume,
    )
    try:
        rows = peer_runs.measure_peers(plan, results, console.print)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    plot_peers(rows, plot)
    if results == peer_runs.RESULTS:
        write_reports()


def peers_or_rest() -> None:
    """The rest of a run of the peers that was cut short, where there is one."""
    try:
        peers(resume=True)
    except typer.BadParameter:
        peers()


@app.command()
def ner(
    rounds: Rounds = 3,
    options: Options = "",
    variant: Annotated[str, typer.Option(help="Of DistilBERT-base, as marina archive has it.")] = "int8",
    runtime: Annotated[str, typer.Option(help="onnxruntime or openvino.")] = "openvino",
    save: Save = True,
) -> None:
    """Entities with DistilBERT-base, beside a transformers pipeline behind FastAPI; then the shipped model."""
    finish(texts.NER_RESULTS, texts.measure_ner(rounds, options.split(), texts.Build(variant, runtime)), save)


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
    variant: Annotated[str | None, typer.Option(help="Without it, the shipped model's own.")] = None,
    runtime: Annotated[str | None, typer.Option(help="The same: onnxruntime or openvino.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="In place of the model's own.")] = None,
    max_batch_delay: Annotated[int | None, typer.Option(help="In ms, in place of the model's own.")] = None,
    users: Annotated[int, typer.Option(help="Who are measured in each round, and start the search.")] = 150,
    seconds: Annotated[float, typer.Option(help="How long they are measured.")] = 60,
    most_users: Annotated[int, typer.Option(help="The search for the limit tries no more.")] = 400,
    save: Save = True,
) -> None:
    """The handwriting ensemble on one core: users under locust, the limit, and the models one after another."""
    keys = (("batchSize", batch_size), ("maxBatchDelay", max_batch_delay))
    build = characters.Build(archive, folder, variant, runtime, keys)
    plan = characters.Plan(users, seconds, most_users)
    finish(characters.RESULTS, characters.measure_handwriting(rounds, options.split(), build, plan), save)


@app.command()
def servers(rounds: Rounds = 3, seconds: Seconds = 8, save: Save = True) -> None:
    """The same archives on TorchServe, on MMS, on replicas and in plain Python."""
    finish(places.RESULTS, places.measure_places(places.Plan(rounds, seconds)), save)


@app.command()
def gpu(
    archives: Annotated[list[Path], typer.Argument(help="From marina archive --variant float16.", exists=True)],
    rounds: Rounds = 3,
    seconds: Seconds = 3,
    device: Annotated[int, typer.Option(help="The GPU's number.")] = 0,
    save: Save = True,
) -> None:
    """Archives in half precision on a GPU: the handler and the model alone, with batches of 1 to 256."""
    finish(on_gpu.RESULTS, on_gpu.measure_gpu(archives, rounds, in_process.Window(seconds, gpu=device)), save)


@app.command()
def pages() -> None:
    """Write the pages again, from the rows that there are."""
    write_reports()


def finish(results: Path, rows: list[Row], save: bool) -> None:
    for row in rows:
        console.print({key: value for key, value in row.items() if key not in UNTOLD})
    if save:
        append_rows(results, rows)
        write_reports()


if __name__ == "__main__":
    app()
