"""The command line: each command says what it does in its help and what went wrong in one sentence."""

import json
import math
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from marina.errors import MarinaError
from marina.places import MODEL_STORE, MODELS

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # torchvision's constants, which most networks on pictures are trained with
IMAGENET_STD = (0.229, 0.224, 0.225)
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False, soft_wrap=True)

Store = Annotated[Path, typer.Option("--store", show_default="model_store/", help="Folder of the archives.")]
ServerName = Literal["torchserve", "mms"]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of the front door; 0 takes any free one.")]


def finite(value: Any) -> Any:
    """An option's number, or numbers. Raises BadParameter for infinity and for what is no number (nan)."""
    numbers = value if isinstance(value, list | tuple) else [value]
    if not all(number is None or math.isfinite(number) for number in numbers):
        raise typer.BadParameter("must be a finite number")
    return value


@app.command()
def archive(
    names: Annotated[list[str] | None, typer.Argument(help="Folders under models/; all of them if none.")] = None,
    models: Annotated[Path, typer.Option(help="Folder of the models' folders.")] = MODELS,
    out: Annotated[Path, typer.Option(help="Folder that the archives go to.")] = MODEL_STORE,
    variant: Annotated[
        str | None,
        typer.Option(
            help="float32, bf16, int8, mixed, torchscript or float16 (both need torch); if none, the model's own."
        ),
    ] = None,
    runtime: Annotated[
        str | None, typer.Option(help="onnxruntime, openvino, torchscript or eia; if none, the model's own.")
    ] = None,
    traced: Annotated[Path | None, typer.Option(help="TorchScript that was traced elsewhere.")] = None,
    python: Annotated[
        str, typer.Option(show_default="this one", help="Python of the environment that answers the samples.")
    ] = sys.executable,
    unasked: Annotated[bool, typer.Option("--unasked", help="Ask no samples: what would answer is not here.")] = False,
) -> None:
    """Build models' archives and show what each answers to its own samples.

    A variant that answers them otherwise than float32, or was measured to be worse, is refused.
    """
    from marina.archive import Elsewhere, build_archive
    from marina.model_config import CONFIG_FILE
    from marina.verify import fingerprint

    found = sorted(path.parent.name for path in models.glob(f"*/{CONFIG_FILE}"))
    for left in sorted({path.stem for path in out.glob("*.mar")} - set(found) if not names else ()):
        console.print(f"{out / left}.mar has no folder under {models} any more; remove it if it is not to be served.")
    for name in names or found:
        path, answers = build_archive(
            models / name, out, variant, runtime, Elsewhere(traced, None if unasked else python)
        )
        console.print(f"{path}  {path.stat().st_size / 1e6:.2f} MB  sha256 {fingerprint(path)}")
        if not answers:
            console.print("  not asked" if unasked else "  no samples, so only the warm-up was tried")
        for sample, answer in answers:
            console.print(f"  {sample}  {answer}", markup=False)


@app.command()
def variants(
    name: Annotated[str, typer.Argument(help="A folder under models/.")],
    models: Annotated[Path, typer.Option(help="Folder of the models' folders.")] = MODELS,
    data: Annotated[Path | None, typer.Option(help="Labelled data, as the model's archive.judge reads it.")] = None,
    part: Annotated[str, typer.Option(help="The part of the data that judges.")] = "dev",
    inputs: Annotated[
        Path | None,
        typer.Option(help="Folder of inputs for int8's ranges; else the data's train part, or the samples."),
    ] = None,
    percentile: Annotated[
        float, typer.Option(min=50, max=100, callback=finite, help="Of the values that lie within a range of int8's.")
    ] = 99.9,
    write: Annotated[bool, typer.Option(help="Keep ranges and figures in the folder, and serve the fastest.")] = False,
) -> None:
    """Build every variant of a model, judge each beside float32, and time it.

    With --write the model's folder gets ranges.json, variants.json, and the fastest variant that passed as its own.
    """
    from marina.measuring import Plan, fastest, measure_variants
    from marina.model_config import CONFIG_FILE
    from marina.settings_text import change_settings

    folder = models / name
    plan = Plan(data, part, inputs, percentile)
    rows = measure_variants(folder, plan, write, lambda line: console.print(line, style="dim"))
    headings = ("variant", "runtime", rows[0].metric or "metric", "drop", "agreement", "speed", "")
    table = Table(*headings)
    for row in rows:
        value, drop = ("" if each is None else f"{each:.4f}" for each in (row.value, row.drop))
        verdict = "" if row.passed else "refused"
        table.add_row(row.variant, row.runtime, value, drop, f"{row.agreement:.1%}", f"{row.speed_up:.2f}", verdict)
    console.print(table)
    for reason in [row.reason for row in rows if not row.passed]:
        console.print(reason)
    best = fastest(rows)
    console.print(f"The fastest that passes: {best.variant} in {best.runtime}, {best.speed_up:.2f} times float32.")
    if write:
        changes = {"archive.variant": best.variant, "handler.runtime": best.runtime}
        config = folder / CONFIG_FILE
        config.write_text(change_settings(config.read_text("utf-8"), changes), encoding="utf-8")


@app.command()
def adapt(
    source: Annotated[Path, typer.Argument(help="An ONNX network on float32 (batch, 3, height, width).")],
    target: Annotated[Path, typer.Argument(help="Where to write it, such as models/mine/graph.onnx.")],
    mean: Annotated[tuple[float, float, float], typer.Option(callback=finite, help="Of RGB in 0..1.")] = IMAGENET_MEAN,
    std: Annotated[tuple[float, float, float], typer.Option(callback=finite, help="Of RGB in 0..1.")] = IMAGENET_STD,
) -> None:
    """Put pixels in front of a network: uint8 (batch, height, width, 3), any batch, normalised in the graph."""
    from marina.graphs import adapt_file

    adapt_file(source, target, mean, std)


@app.command()
def verify(
    archives: Annotated[list[Path], typer.Argument(help="Archive files.")],
    sha256: Annotated[str | None, typer.Option(help="What the one archive's SHA-256 must be.")] = None,
) -> None:
    """Check archives before a server sees them: whole, as they were packed, and nothing in them that harms.

    Whoever rebuilds an archive can make it sound again; --sha256 tells it from the one that you know.
    """
    from marina.verify import fingerprint, read_archive, read_provenance

    for path in archives:
        contents, digest = read_archive(path), fingerprint(path)
        if sha256 is not None and digest != sha256.lower():
            raise MarinaError(f"{path} is sound, but its SHA-256 is {digest}")
        provenance = read_provenance(contents)
        changed = ", changed since" if provenance.get("changed_since_commit") else ""
        console.print(
            f"{path}: sound, {len(contents)} files, "
            f"{provenance.get('variant')}, commit {provenance.get('commit')}{changed}, "
            f"sha256 {digest}"
        )


@app.command("run")
def run_files(
    archive: Annotated[Path, typer.Argument(help="An archive file.")],
    files: Annotated[list[Path], typer.Argument(help="Inputs, or folders of them.")],
    out: Annotated[Path | None, typer.Option(show_default="standard output", help="File that the lines go to.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Leave out what has a line in --out already.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; if none, the model's minWorkers.")] = None,
) -> None:
    """Answer files without a server, in batches: a line of JSON each, also where one can't be answered.

    Ends with status 1 where a file was not answered.
    """
    from marina.scoring import Line, list_files, open_results, score

    failed = 0
    with ExitStack() as stack:
        results, done = stack.enter_context(open_results(out, resume)) if out else (sys.stdout.buffer, set())
        todo = [path for path in list_files(files) if str(path) not in done]
        progress = stack.enter_context(Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()))
        bar = progress.add_task(archive.stem, total=len(todo))

        def write(line: Line) -> None:
            nonlocal failed
            failed += line.status != 200
            results.write(f"{line}\n".encode())
            results.flush()
            progress.advance(bar)

        score(archive, todo, workers, write)
    if out:
        console.print(f"{len(todo)} files, {failed} of them not answered, {len(done)} left out as done before: {out}")
    if failed:
        raise typer.Exit(1)


@app.command()
def serve(
    models: Annotated[list[str] | None, typer.Option("--models", help="Only this model; may be given again.")] = None,
    server: Annotated[ServerName, typer.Option(help="The model server behind the door.")] = "torchserve",
    server_python: Annotated[
        str, typer.Option(show_default="this one", help="Python of the environment that the model server runs in.")
    ] = sys.executable,
    replicas: Annotated[
        int, typer.Option(min=1, max=64, help="Servers behind one nginx, each with its share of cores.")
    ] = 1,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Workers of each model, instead of its own.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address of the front door; 0.0.0.0 opens it to the network.")
    ] = "127.0.0.1",
    port: Port = 8000,
    inference_port: Annotated[
        int, typer.Option(min=0, max=65535, help="The model server's, with --no-door; 0 takes any free one.")
    ] = 8080,
    management_port: Annotated[
        int, typer.Option(min=0, max=65535, help="TorchServe's management, on loopback.")
    ] = 8081,
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help="TorchServe's metrics, on loopback.")] = 8082,
    door: Annotated[bool, typer.Option(help="Put nginx, the page and the limits in front.")] = True,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A host name to serve beside loopback's; *.example.com for all below. May be given again."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="A site whose pages may ask (CORS), as https://app.example; * for all. May be given again."),
    ] = None,
    upload_timeout: Annotated[
        int, typer.Option(min=1, help="Seconds in which the whole body of a request has to arrive.")
    ] = 60,
    store: Store = MODEL_STORE,
) -> None:
    """Serve archives until Ctrl-C or SIGTERM."""
    from marina.nginx import Access
    from marina.ports import is_loopback
    from marina.serve import serve as serve_archives
    from marina.server import ServeOptions

    if replicas > 1 and not door:
        raise MarinaError("replicas need the door that spreads requests over them: leave --no-door out")
    names = [name for given in models or [] for name in given.split(",")]
    serve_archives(
        ServeOptions(
            store,
            names,
            server,
            server_python,
            replicas,
            host,
            port,
            inference_port,
            management_port,
            metrics_port,
            workers,
            door,
            Access(not is_loopback(host), allow_host or [], allow_origin or []),
            upload_timeout,
        ),
        console,
    )


@app.command()
def tune(
    model: Annotated[str, typer.Argument(help="A model's folder under models/.")],
    p99_ms: Annotated[
        float | None, typer.Option("--p99-ms", min=0.001, callback=finite, help="The p99 that must be kept, ms.")
    ] = None,
    rps: Annotated[
        float | None, typer.Option(min=0.001, callback=finite, help="Find what carries so many requests/s for least.")
    ] = None,
    price: Annotated[
        float | None, typer.Option(min=0, callback=finite, help="Of one machine, an hour: adds the cost.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write the winner into model-config.yaml.")] = False,
    out: Annotated[Path | None, typer.Option(show_default="tuning/MODEL/", help="For rows, report and plots.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Use the rows that are in the folder already.")] = False,
    inputs: Annotated[
        list[Path] | None,
        typer.Option("--input", "--data", show_default="its samples", help="A file to post, or a folder of them."),
    ] = None,
    budget_minutes: Annotated[float, typer.Option(min=0.1, callback=finite, help="How long to measure, at most.")] = 5,
    clients: Annotated[int, typer.Option(min=1, max=400, help="Who ask at once, for the most throughput.")] = 50,
    exhaustive: Annotated[bool, typer.Option("--exhaustive", help="Then measure a whole grid, to compare.")] = False,
    models: Annotated[Path, typer.Option(help="Folder of the models' folders.")] = MODELS,
) -> None:
    """Find the workers, threads, batch, delay, variant and runtime that serve a model best on this machine."""
    from marina.tune.goals import Goal
    from marina.tune.run import STOPPED, Stopped, TuneOptions
    from marina.tune.run import tune as tune_model

    folder, goal = out or Path("tuning") / model, Goal(p99_ms, rps)
    options = TuneOptions(
        models / model, folder, goal, inputs or [], price, write, resume, exhaustive, 60 * budget_minutes, clients
    )
    try:
        tune_model(options, console)
    except Stopped:
        console.print(f"Stopped. What was measured stands in {folder}; --resume goes on from there.", markup=False)
        raise typer.Exit(STOPPED) from None


@app.command()
def status(
    port: Port = 8000,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show what a running server serves, with its workers as they are now, and its run folder."""
    from marina.status import read_status

    servers = read_status(port)
    if as_json:
        sys.stdout.write(json.dumps({"servers": [asdict(server) for server in servers]}, indent=2) + "\n")
        return
    table = Table("model", "version", "port", "workers ready", "batch", "delay, ms", "memory, MB")
    for server in servers:
        for model in server.models:
            table.add_row(
                model.name,
                model.version,
                str(server.port),
                f"{model.workers_ready} of {model.workers_wanted}",
                str(model.batch_size),
                str(model.max_batch_delay_ms),
                f"{model.memory_mb:.0f}",
            )
    console.print(f"{servers[0].server}, {len(servers)} of it" if len(servers) > 1 else servers[0].server)
    console.print(table)
    for server in servers:
        console.print(f"Its files: {server.folder}", markup=False)


@app.command()
def scale(
    model: Annotated[str, typer.Argument(help="A served model.")],
    workers: Annotated[int, typer.Argument(min=1, help="How many workers it is to have; with replicas, in each.")],
    port: Port = 8000,
    timeout: Annotated[float, typer.Option(min=0.001, callback=finite, help="Seconds to wait for the workers.")] = 120,
) -> None:
    """Give a model of a running server another number of workers, and wait until they are READY."""
    from marina.management import connect
    from marina.run_folder import read_states

    for folder, state in read_states(port):
        if model not in state.models:
            raise MarinaError(f"{model} is not served; there are: {', '.join(state.models)}")
        allowed = state.most_workers[model]
        if workers > allowed:
            raise MarinaError(f"{model} may have at most {allowed} workers, its maxWorkers")
        management = connect(folder, state)
        management.scale(model, workers, timeout)
        console.print(f"{model} has {management.count_workers(model).ready} READY workers.")
        threads, cores = state.threads[model], state.cores
        if workers * threads > max(cores, threads):
            console.print(
                f"Each has {threads} threads, for {cores} cores: `marina serve --workers {workers}` divides them anew."
            )


@app.command()
def restart(
    port: Port = 8000,
    timeout: Annotated[float, typer.Option(min=0.001, callback=finite, help="Seconds to wait for all of them.")] = 600,
) -> None:
    """Restart the replicas of a running server one after another, while the others answer; with what the store holds.

    As `kill -HUP` on `marina serve` does, which does not wait for it.
    """
    from marina.replicas import restart_replicas

    restart_replicas(port, timeout)
    console.print("Every replica was restarted.")


def run(command: Callable[[], Any] = app) -> None:
    """Runs the tool; what the user can put right ends with one sentence and status 1."""
    # A name or an answer that the terminal's encoding does not have is escaped; it is no reason to end.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        command()
    except MarinaError as error:
        sys.exit(f"marina: {error}")
