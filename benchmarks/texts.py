"""Entities and readability beside the services that they replace, at the full sizes; then the shipped models alone."""

import csv
import json
import random
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.ab import run_ab
from benchmarks.archives import STORE, build_folder, find_archive, unpacked
from benchmarks.load import Answer, Load, ask_all, failures, summarise
from benchmarks.rows import Row, describe_run
from benchmarks.servers import ROOT, MeasuredServer, fastapi, marina, suspended
from marina.bodies import Body
from marina.traffic import run_closed

NER_RESULTS = ROOT / "benchmarks/results/ner.csv"
READABILITY_RESULTS = ROOT / "benchmarks/results/readability.csv"
SAMPLES = sorted((ROOT / "models").glob("*/samples/*.txt"))
DOCUMENT_WORDS = 1000
SHORT_WORDS = (18, 26)  # about 30 tokens
PASSAGE_WORDS = (140, 200)  # as the excerpts of CommonLit have
BRIEF_WORDS = (5, 60)
CLIENTS = 50
SMALL_REQUESTS = 3000
WARM_UP_REQUESTS = 8
SHORT = "50 short texts at once"
SHORT_S, SHORT_WARM_UP_S = 10.0, 3.0


@dataclass(frozen=True)
class Build:
    """As what a full-size model is served."""

    variant: str
    runtime: str


# Each of them is served beside the peer.
READABILITY_BUILDS = (Build("float32", "onnxruntime"), Build("float32", "openvino"))
PLAIN_TORCH = {"variant": "float32", "runtime": "torch"}
PLAIN_ONNX = {"variant": "float32", "runtime": "onnxruntime"}


def make_texts(count: int, words: tuple[int, int], seed: int = 0) -> list[str]:
    """Passages of the samples' words, one after another, of lengths drawn between the two."""
    stream = " ".join(path.read_text() for path in SAMPLES).split()
    generator = random.Random(seed)  # noqa: S311 (no secret)
    texts = []
    for _ in range(count):
        length = generator.randint(*words)
        first = generator.randrange(len(stream))
        texts.append(" ".join((stream * (2 + length // len(stream)))[first : first + length]))
    return texts


def read_excerpts(path: Path, count: int) -> list[str]:
    """So many excerpts, evenly over a CommonLit CSV file."""
    with path.open(newline="") as file:
        excerpts = [row["excerpt"] for row in csv.DictReader(file)]
    return excerpts[:: max(1, len(excerpts) // count)][:count]


def in_groups(server: MeasuredServer, texts: Sequence[str], at_once: int) -> tuple[Load, float]:
    """So many texts at once, then as many again; with it the median time until a group was answered, in ms."""
    answers: list[Answer] = []
    groups_s = []
    for first in range(0, len(texts), at_once):
        group = ask_all(server.url, texts[first : first + at_once], at_once)[1]
        groups_s.append(max(answer.took_s for answer in group))
        answers += group
    load = summarise([answer.took_s for answer in answers], sum(groups_s), failures(answers))
    return load, round(1000 * statistics.median(groups_s), 1)


def measured(server: MeasuredServer, run: Callable[[], tuple[Load, Row]]) -> Row:
    """What a run finds, with the CPU time, the memory and the padding that it took."""
    cpu, tokens = server.cpu_seconds(), server.counters()
    load, more = run()
    requests = int(str(more["requests"]))
    computed, padded = (
        server.counters().get(name, 0) - tokens.get(name, 0) for name in ("TokensComputed", "TokensPadded")
    )
    return {
        **server.about,
        "server": server.name,
        "settings": server.settings,
        **{key: more[key] for key in ("workload", "requests", "clients")},
        **asdict(load),
        "cpu_ms_per_request": round((server.cpu_seconds() - cpu) / requests * 1000, 2),
        "worker_rss_mb": server.workers_rss_mb(),
        "padding_percent": round(100 * padded / computed, 2) if computed else "",
        "group_ms": more.get("group_ms", ""),
        "largest_score_difference": more.get("largest_score_difference", ""),
    }


def measure_documents(server: MeasuredServer, documents: Sequence[str], at_once: int) -> Row:
    def run() -> tuple[Load, Row]:
        load, group_ms = in_groups(server, documents, at_once)
        name = "one document" if at_once == 1 else "three documents at once"
        return load, {"workload": name, "requests": len(documents), "clients": at_once, "group_ms": group_ms}

    return measured(server, run)


def measure_texts(server: MeasuredServer, name: str, texts: Sequence[str], expected: list[float]) -> Row:
    """Many texts at once. Where they are scored, the first server's fill ``expected``, to be compared with."""

    def run() -> tuple[Load, Row]:
        load, answers = ask_all(server.url, texts, CLIENTS)
        row: Row = {"workload": name, "requests": len(texts), "clients": CLIENTS}
        if all(isinstance(answer.body, dict) for answer in answers):
            scores = [answer.body["score"] for answer in answers]
            expected[:] = expected or scores
            difference = max(abs(score - other) for score, other in zip(scores, expected, strict=True))
            row["largest_score_difference"] = round(difference, 7)
        return load, row

    return measured(server, run)


def measure_short(server: MeasuredServer, texts: Sequence[str]) -> Row:
    """Clients who each post one of the texts as soon as they are answered."""
    bodies = [Body(json.dumps({"text": text}).encode(), "application/json") for text in texts]

    def run() -> tuple[Load, Row]:
        found = run_closed(server.url, bodies, CLIENTS, seconds=SHORT_S, warm_up_s=SHORT_WARM_UP_S)
        p50, p95, p99 = (round(found.percentile_ms(percent), 1) for percent in (50, 95, 99))
        load = Load(round(found.requests_per_s, 2), p50, p95, p99, found.failed)
        return load, {"workload": SHORT, "requests": found.asked, "clients": CLIENTS}

    return measured(server, run)


def measure_small(server: MeasuredServer, sample: Path) -> Row:
    """The shipped model under ab, with one of its samples."""

    def run() -> tuple[Load, Row]:
        load = run_ab(server.url, sample, "text/plain", SMALL_REQUESTS, CLIENTS)
        return load, {"workload": f"sample {sample.stem}", "requests": SMALL_REQUESTS, "clients": CLIENTS}

    return measured(server, run)


def export_full_size(model: str, scratch: Path) -> Path:
    """The full-size model with random weights, as a checkpoint and as a model's folder, which this gives."""
    subprocess.run(
        [ROOT / ".venv-train/bin/python", "-m", "benchmarks.peers.full_size", model, scratch], cwd=ROOT, check=True
    )
    return scratch / f"{model}-base"


@contextmanager
def marina_full_size(
    folder: Path, store: Path, build: Build, sample: Path, options: list[str]
) -> Iterator[MeasuredServer]:
    """Marina with the archive of a model's folder; its settings begin with the runtime."""
    path = build_folder(folder, store / f"{build.variant}-{build.runtime}", build.variant, build.runtime)
    about = {"variant": build.variant, "runtime": build.runtime, "archive_bytes": path.stat().st_size}
    with marina(path.parent, path.stem, sample, options) as server:
        yield replace(server, settings=f"{build.runtime}, {server.settings}", about=about)


def measure_ner(rounds: int, options: list[str], build: Build) -> list[Row]:
    """A row for each server and workload in each round, in turn."""
    documents = make_texts(9, (DOCUMENT_WORDS, DOCUMENT_WORDS))
    short = make_texts(300, SHORT_WORDS)
    sample = next(path for path in SAMPLES if path.parts[-3] == "ner")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = export_full_size("ner", Path(name))
        environment = {"CHECKPOINT": str(folder.parent / "checkpoint")}
        peer = "fastapi, transformers pipeline"
        app = ("transformers_pipeline", "/ner", sample)
        ours = stack.enter_context(marina_full_size(folder, Path(name), build, sample, options))
        once = stack.enter_context(fastapi(peer, "built once, float32", *app, environment | {"REBUILD": "0"}))
        old = stack.enter_context(fastapi(peer, "built for each request, float32", *app, environment))
        once, old = (replace(server, about=PLAIN_TORCH) for server in (once, old))
        servers = (ours, once, old)
        for server in (ours, once):
            ask_all(server.url, short[:WARM_UP_REQUESTS], WARM_UP_REQUESTS)
        common = {**describe_run(), "model": "DistilBERT-base", "quality": "random weights"}
        for number in range(1, rounds + 1):
            head = {**common, "round": number}
            for server in servers:
                with suspended(other for other in servers if other is not server):
                    rows.append(head | measure_documents(server, documents, 1))
                    rows.append(head | measure_documents(server, documents, 3))
                    rows += [head | measure_short(server, short)] if server is not old else []
    return rows + measure_shipped("ner", rounds, options, common)


def measure_readability(rounds: int, options: list[str], excerpts: Path | None) -> list[Row]:
    """A row for each server and workload in each round, in turn."""
    passages = read_excerpts(excerpts, 100) if excerpts else make_texts(100, PASSAGE_WORDS)
    brief = make_texts(200, BRIEF_WORDS)
    sample = next(path for path in SAMPLES if path.parts[-3] == "readability")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = export_full_size("readability", Path(name))
        environment = {"MODEL": str(folder)}
        app = ("padded_onnx", "/predict", sample)
        peer = stack.enter_context(
            fastapi("fastapi, onnxruntime", "padded to 300, float32, one by one", *app, environment)
        )
        servers = [replace(peer, about=PLAIN_ONNX)]
        for build in READABILITY_BUILDS:
            servers.append(stack.enter_context(marina_full_size(folder, Path(name), build, sample, options)))
        common = {**describe_run(), "model": "BERT-base", "quality": "random weights"}
        workloads = {"excerpts of CommonLit" if excerpts else "passages": passages, "texts of 5 to 60 words": brief}
        for server in servers:
            ask_all(server.url, brief[:WARM_UP_REQUESTS], WARM_UP_REQUESTS)
        for number in range(1, rounds + 1):
            for workload, texts in workloads.items():
                expected: list[float] = []
                head = {**common, "round": number}
                rows += [head | measure_texts(server, workload, texts, expected) for server in servers]
    return rows + measure_shipped("readability", rounds, options, common)


def measure_shipped(model: str, rounds: int, options: list[str], common: Row) -> list[Row]:
    """The archive that is served by default."""
    sample = next(path for path in SAMPLES if path.parts[-3] == model)
    path = find_archive(model, STORE)
    with unpacked(path) as archive:
        about = archive.describe()
    with marina(path.parent, model, sample, options) as server:
        run_ab(server.url, sample, "text/plain", CLIENTS, CLIENTS)
        head = {**common, **about, "model": "shipped"}
        return [head | {"round": number} | measure_small(server, sample) for number in range(1, rounds + 1)]
