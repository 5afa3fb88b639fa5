"""docs/performance.md and the README's figures, written from the committed rows alone."""

import itertools
import re
import statistics
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rows import read_last_run
from benchmarks.servers import ROOT
from benchmarks.users import PAUSING, is_carried

Rows = list[dict[str, str]]

HEAD = """\
# Performance

Written by `make bench` from the rows under [`benchmarks/results/`](../benchmarks/results); no figure here is typed.
The servers of one table are measured in turn, in one run on one machine, and the median of the rounds is shown.
Worker RSS is the resident memory of a worker process, or of the server where that is one process.
"""
SECTION = """\
## {title}

{about}

{table}

{conclusions}

Run of {run}, {rounds} rounds on {machine}, at commit {commit}, with {versions}.
"""
PICTURES = """\
`ab -k -l -n {requests} -c {clients}` with a 500 x 375 JPEG. Both servers run the same weights, whose accuracy on the
test photographs is {top1_test}."""
NAMES = """\
The peer is what the first entity service was: FastAPI around a transformers pipeline, which it built for every request;
built once is the least that anybody would mend. Its windows overlap, for without that it drops what lies past 512
tokens. A document has 1,000 words, a short text 18 to 26, about 30 tokens. "All" is the median time until each of the
requests that were sent together was answered. DistilBERT-base has random weights, on which speed does not depend. The
shipped model is asked by `ab -k -l -c 50`."""
READABILITY = """\
The peer is what the first readability service was: FastAPI around the same ONNX graph in ONNX Runtime, every text
padded or cut to 300 tokens, one by one. Marina cuts at 300 tokens here as well; the scores differ by {difference} at
most. BERT-base has random weights, on which speed does not depend. The shipped model is asked by `ab -k -l -c 50`."""
HANDWRITING = """\
The ensemble has the input sizes of the first handwriting service, {sizes} px, and random weights, on which speed
does not depend; its archive has {archive_bytes} bytes. The server, with nginx, TorchServe and its worker, is held to
one core; the users, under locust on another core, post a picture, check the answer, and pause for 2 to 5 s. Memory is
the sum of every process's PSS, at its peak; times are of requests that began after the warm-up. The most users are
the highest number that was tried for whom every request was answered, and 99 of 100 within a second. The peer is what
the first service did: a picture after another, and for each a model after another, in ONNX Runtime, without any server
around it."""
README = """\
| measured | Marina | beside it | |
|---|---:|---:|---:|
{lines}

Each line is the median of the rounds of one run, on {machine}, float32, with the same weights on both sides;
{random} have random ones, on which speed does not depend. Beside Marina: {peers}.
[How it was measured](docs/performance.md).
"""
COLUMNS = {
    "requests_per_s": "requests/s",
    "p50_ms": "p50, ms",
    "p95_ms": "p95, ms",
    "p99_ms": "p99, ms",
    "group_ms": "all, ms",
    "cpu_ms_per_request": "CPU, ms a request",
    "worker_rss_mb": "worker RSS, MB",
    "pss_mb": "PSS of everything, MB",
    "padding_percent": "padding, %",
    "failed": "failed",
}
UNITS = {"requests_per_s": "requests/s", "p50_ms": "ms", "p99_ms": "ms", "worker_rss_mb": "MB"}
MARKED = re.compile(r"(<!-- figures:[^\n]*-->\n).*?(<!-- end of figures -->)", re.DOTALL)


@dataclass(frozen=True)
class Comparison:
    """One figure of Marina beside the same of a peer, in one workload of a run."""

    title: str
    column: str
    workload: str = ""
    peer: str = ""  # how its settings begin, where there are several
    ours: str = ""  # and how Marina's do

    def figures(self, rows: Rows) -> tuple[float, float]:
        mine = [row for row in rows if row.get("workload", "") == self.workload]
        ours = [row for row in mine if row["server"] == "marina" and row["settings"].startswith(self.ours)]
        theirs = [row for row in mine if row["server"] != "marina" and row["settings"].startswith(self.peer)]
        return median(ours, self.column), median(theirs, self.column)

    def ratio(self, rows: Rows) -> str:
        """How many times better Marina is; of memory, what share it takes."""
        ours, theirs = self.figures(rows)
        if self.column == "worker_rss_mb":
            return f"{ours / theirs:.0%}"
        return f"{ours / theirs if self.column == 'requests_per_s' else theirs / ours:.2f} times"

    def line(self, rows: Rows) -> str:
        ours, theirs = (f"{short(figure)} {UNITS[self.column]}" for figure in self.figures(rows))
        return f"| {self.title.format(**rows[0])} | {ours} | {theirs} | **{self.ratio(rows)}** |"


@dataclass(frozen=True)
class Report:
    """What the docs say of one file of rows."""

    file: str
    title: str
    peer: str
    about: str
    comparisons: tuple[Comparison, ...]
    random: str = ""  # what of it has random weights

    def compare(self, rows: Rows) -> list[Comparison]:
        """The comparisons whose workload was measured."""
        workloads = {row.get("workload", "") for row in rows}
        return [each for each in self.comparisons if each.workload in workloads]

    def lines(self, rows: Rows) -> list[str]:
        """The comparisons as lines of the README's table, and the shipped model by itself."""
        lines = [each.line(rows) for each in self.compare(rows)]
        shipped = [row for row in rows if row.get("model") == "shipped"]
        if shipped:
            speed, memory = median(shipped, "requests_per_s"), median(shipped, "worker_rss_mb")
            name = Path(self.file).stem
            lines.append(
                f"| shipped {name} ({shipped[0]['quality']}), 50 clients "
                f"| {short(speed)} requests/s, worker {short(memory)} MB | | |"
            )
        return lines + [f"| {title} | {figures} | | |" for title, figures in carried(rows)]


REPORTS = (
    Report(
        "resnet18-ab.csv",
        "Ants and bees: ResNet18",
        "TorchServe's own handler",
        PICTURES,
        (
            Comparison("ResNet18 (top-1 {top1_test}), {clients} clients", "requests_per_s"),
            Comparison("the same: memory of a worker", "worker_rss_mb"),
        ),
    ),
    Report(
        "ner.csv",
        "Named entities: DistilBERT-base, and the shipped model",
        "a transformers pipeline behind FastAPI",
        NAMES,
        (
            Comparison("DistilBERT-base, one document of 1,000 words: p50", "p50_ms", "one document", "built once"),
            Comparison("DistilBERT-base, 50 short texts at once", "requests_per_s", "50 short texts at once"),
            Comparison("the same: p99", "p99_ms", "50 short texts at once"),
        ),
        "DistilBERT-base",
    ),
    Report(
        "readability.csv",
        "Readability: BERT-base, and the shipped model",
        "a padded text after another in ONNX Runtime behind FastAPI",
        READABILITY,
        (
            *(
                Comparison(f"BERT-base, {title}, 50 at once, {runtime}", "requests_per_s", workload, ours=runtime)
                for workload, title in (
                    ("excerpts of CommonLit", "excerpts of CommonLit"),
                    ("passages", "passages of 140 to 200 words"),
                    ("texts of 5 to 60 words", "texts of 5 to 60 words"),
                )
                for runtime in ("onnxruntime", "openvino")
            ),
        ),
        "BERT-base",
    ),
    Report(
        "handwriting.csv",
        "Handwriting: an ensemble of three on one core",
        "the three models one after another, in process",
        HANDWRITING,
        (
            Comparison(
                "Handwriting ensemble ({sizes} px), one core, {runtime}, handler alone",
                "requests_per_s",
                "as fast as it goes",
                ours="the handler alone",
            ),
            Comparison("the same behind HTTP, 50 clients", "requests_per_s", "as fast as it goes", ours="behind HTTP"),
        ),
        "the handwriting ensemble",
    ),
)


def write_reports(root: Path = ROOT) -> None:
    """Renders the last run of every file of rows into ``docs/performance.md`` and the README."""
    results = root / "benchmarks/results"
    runs = [(report, read_last_run(results / report.file)) for report in REPORTS if (results / report.file).exists()]
    sections = [HEAD, *(write_section(report, rows) for report, rows in runs)]
    (root / "docs/performance.md").write_text("\n".join(sections))
    values = {
        "lines": "\n".join(line for report, rows in runs for line in report.lines(rows)),
        "machine": " or ".join(dict.fromkeys(rows[0]["machine"] for _, rows in runs)),
        "peers": ", ".join(report.peer for report, _ in runs),
        "random": enumerate_names([report.random for report, _ in runs if report.random]),
    }
    text = README.format(**values)
    readme = root / "README.md"
    readme.write_text(MARKED.sub(lambda found: found[1] + text + found[2], readme.read_text()))


def write_section(report: Report, rows: Rows) -> str:
    differences = [float(row["largest_score_difference"] or 0) for row in rows if "largest_score_difference" in row]
    first = rows[0] | {"difference": f"{max(differences, default=0):.0e}"}
    conclusions = [
        f"- {each.title.format(**first)}: **{each.ratio(rows)}**, beside {report.peer}."
        for each in report.compare(rows)
    ]
    conclusions += [f"- {title}: **{figures}**." for title, figures in carried(rows)]
    return SECTION.format(
        title=report.title,
        about=report.about.format(**first),
        table=make_table(rows),
        conclusions="\n".join(conclusions),
        rounds=max(int(row["round"]) for row in rows),
        **{key: first[key] for key in ("run", "machine", "commit", "versions")},
    )


def carried(rows: Rows) -> list[tuple[str, str]]:
    """What a run with pausing users found: the number that was asked for, and the highest that was carried."""
    paused = [row for row in rows if row["workload"].endswith(PAUSING)] if "wanted_users" in rows[0] else []
    if not paused:
        return []
    wanted = [row for row in paused if row["clients"] == row["wanted_users"]]
    speed, p99, memory = (short(median(wanted, key)) for key in ("requests_per_s", "p99_ms", "pss_mb"))
    failed = sum(int(row["failed"]) for row in wanted)
    title = f"Handwriting ensemble ({rows[0]['sizes']} px), one core, {wanted[0]['workload']}"
    return [
        (title, f"{speed} requests/s, p99 {p99} ms, {failed} failed, {memory} MB in all"),
        ("the same: the most users with p99 under 1 s", f"{most_carried(paused)} users"),
    ]


def most_carried(rows: Rows) -> int:
    """The highest number of users below the lowest that was not carried."""
    numbers: dict[int, bool] = {}
    for row in sorted(rows, key=lambda row: int(row["clients"])):
        users = int(row["clients"])
        numbers[users] = numbers.get(users, True) and is_carried(row)
    return max(itertools.takewhile(numbers.__getitem__, numbers), default=0)


def enumerate_names(names: list[str]) -> str:
    """One, two and three."""
    return " and ".join([", ".join(names[:-1]), *names[-1:]] if names[1:] else names)


def median(rows: Rows, column: str) -> float:
    return statistics.median(float(row[column]) for row in rows)


def short(figure: float) -> str:
    """Three figures or so, as people write them."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.1f}"


def make_table(rows: Rows) -> str:
    """One line for each workload and server; a column that nobody filled is left out."""
    columns = {key: title for key, title in COLUMNS.items() if any(row.get(key) for row in rows)}
    heads = [key for key in ("model", "quality", "workload", "server", "settings") if key in rows[0]]
    groups: dict[tuple[str, ...], Rows] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in heads), []).append(row)
    lines = [f"| {' | '.join([*heads, *columns.values()])} |", "|" + "---|" * len(heads) + "---:|" * len(columns)]
    for head, group in groups.items():
        figures = [
            f"{median(group, key):.1f}".removesuffix(".0") if all(row.get(key) for row in group) else ""
            for key in columns
        ]
        lines.append(f"| {' | '.join([*head, *figures])} |")
    return "\n".join(lines)
