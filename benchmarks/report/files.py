"""What the docs say of each file of rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import words
from benchmarks.report.comparisons import Comparison
from benchmarks.report.findings import (
    Finding,
    tell_carried,
    tell_gpu,
    tell_latency,
    tell_limit,
    tell_peers,
    tell_share_of_limit,
    tell_together,
    tell_tuner,
)
from benchmarks.report.runs import (
    Rows,
    median,
    model_and_variant,
    newest,
    read_runs,
    select,
    served_variant,
    short,
    tell_variant,
)
from benchmarks.report.table import make_table


@dataclass(frozen=True)
class Report:
    """One file: its section in the docs, and its lines in the README."""

    file: str
    title: str  # with a row's columns in braces, where each run has its own section
    about: str
    comparisons: tuple[Comparison, ...] = ()
    tell: Callable[[Rows], list[Finding]] = lambda rows: []
    peer: str = ""  # whom Marina is compared with
    random: str = ""  # what of it has random weights
    key: Callable[[Rows], object] = served_variant  # the newest run of each is shown
    least_servers: int = 1  # of a run that is shown
    in_readme: bool = True

    def read(self, results: Path) -> list[Rows]:
        """The runs that are shown, the oldest first."""
        return newest(read_runs(results / self.file), self.key, self.least_servers)

    def measured(self, rows: Rows) -> list[Comparison]:
        return [each for each in self.comparisons if each.is_measured(rows)]

    def lines(self, rows: Rows) -> list[str]:
        """The comparisons as lines of the README's table, then what stands by itself."""
        lines = [each.line(rows) for each in self.measured(rows)]
        shipped = select(rows, model="shipped")
        if shipped:
            speed, memory = median(shipped, "requests_per_s"), median(shipped, "worker_rss_mb")
            told = ", ".join(filter(None, (tell_variant(shipped[0]), shipped[0]["quality"])))
            name = f"shipped {Path(self.file).stem} ({told}), 50 clients"
            lines.append(f"| {name} | {short(speed)} requests/s, worker {short(memory)} MB | | |")
        return lines + [f"| {title} | {figures} | | |" for title, figures in self.tell(rows)]

    def section(self, rows: Rows) -> str:
        differences = [float(row.get("largest_score_difference") or 0) for row in rows]
        first = rows[0] | {"difference": f"{max(differences, default=0):.0e}"}
        conclusions = [
            f"- {each.tell_title(rows)}: **{each.tell_ratio(rows)}**, beside {self.peer}."
            for each in self.measured(rows)
        ]
        conclusions += [f"- {title}: **{figures}**." for title, figures in self.tell(rows)]
        return words.SECTION.format(
            title=self.title.format(**first, told=tell_variant(first)),
            about=self.about.format(**first),
            table=make_table(rows),
            conclusions="\n".join(conclusions),
            rounds=max(int(row["round"]) for row in rows),
            **{name: first[name] for name in ("run", "machine", "commit", "versions")},
        )


PICTURES = Report(
    "resnet18-ab.csv",
    "Ants and bees: ResNet18, {told}",
    words.PICTURES,
    (
        Comparison("ResNet18, {told} ({quality}), {clients} clients", "requests_per_s", peer="torchscript"),
        Comparison("the same: memory of a worker", "worker_rss_mb", peer="torchscript"),
    ),
    tell_share_of_limit,
    "TorchServe's own handler",
    least_servers=2,
)
PEERS = Report(
    "peers.csv",
    "Ants and bees behind each server",
    words.PEERS,
    tell=tell_peers,
    peer="the servers that people choose from, with the same model file",
    least_servers=2,
)
LATENCY = Report(
    "latency.csv",
    "Waiting for an answer: {model}, {told}",
    words.LATENCY,
    tell=tell_latency,
    key=model_and_variant,
    in_readme=False,
)
NAMES = Report(
    "ner.csv",
    "Named entities: DistilBERT-base, {told}, and the shipped model",
    words.NAMES,
    (
        Comparison("DistilBERT-base, {told}, one document of 1,000 words: p50", "p50_ms", "one document", "built once"),
        Comparison(
            "DistilBERT-base, {told}, 50 short texts at once", "requests_per_s", "50 short texts at once", "built once"
        ),
        Comparison("the same: p99", "p99_ms", "50 short texts at once", "built once"),
    ),
    peer="a transformers pipeline behind FastAPI",
    random="DistilBERT-base",
    least_servers=2,
)
READABILITY = Report(
    "readability.csv",
    "Readability: BERT-base, and the shipped model",
    words.READABILITY,
    tuple(
        Comparison(f"BERT-base, {{told}}, {title}, 50 at once", "requests_per_s", workload, ours=runtime)
        for workload, title in (
            ("excerpts of CommonLit", "excerpts of CommonLit"),
            ("passages", "passages of 140 to 200 words"),
            ("texts of 5 to 60 words", "texts of 5 to 60 words"),
        )
        for runtime in ("onnxruntime", "openvino")
    ),
    peer="a padded text after another in ONNX Runtime behind FastAPI",
    random="BERT-base",
    least_servers=2,
)
HANDWRITING = Report(
    "handwriting.csv",
    "Handwriting: an ensemble of three on one core, {told}",
    words.HANDWRITING,
    (
        Comparison(
            "Handwriting ensemble ({sizes} px, {told}), one core, handler alone",
            "requests_per_s",
            "as fast as it goes",
            ours="the handler alone",
        ),
        Comparison("the same behind HTTP, 50 clients", "requests_per_s", "as fast as it goes", ours="behind HTTP"),
    ),
    tell_carried,
    "the three models one after another, in process",
    "the handwriting ensemble",
    least_servers=2,
)
TOGETHER = Report("together.csv", "Four models together", words.TOGETHER, tell=tell_together, key=lambda rows: "")
LIMIT = Report(
    "limit.csv",
    "The limit, in process: {model}, {told}",
    words.LIMIT,
    tell=tell_limit,
    key=model_and_variant,
    in_readme=False,
)
GPU = Report(
    "gpu.csv",
    "On a GPU: {card}",
    words.GPU,
    tell=tell_gpu,
    key=lambda rows: rows[0]["card"],
    in_readme=False,
)
TUNER = Report(
    "tuner.csv",
    "The tuner: {model}",
    words.TUNER,
    tell=tell_tuner,
    key=lambda rows: rows[0]["model"],
    in_readme=False,
)
PLACES = Report(
    "places.csv",
    "The same archives on each server",
    words.PLACES,
    key=lambda rows: "",
    in_readme=False,
)
REPORTS: Sequence[Report] = (
    PICTURES,
    PEERS,
    LATENCY,
    NAMES,
    READABILITY,
    HANDWRITING,
    TOGETHER,
    LIMIT,
    GPU,
    TUNER,
    PLACES,
)
