"""``marina variants``: the ranges for int8, then every variant built, judged beside float32, and timed."""

import io
import json
import shutil
import statistics
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from handlers.local import LocalContext, answer_batch
from handlers.runtime import Model, load_model
from handlers.threads import available_cores
from marina.archive import graph_sizes, handler_settings, pack_variant
from marina.asking import Asked, ask_archive
from marina.errors import MarinaError
from marina.gate import Refused, agreement, check_agreement, check_drop
from marina.model_code import find_task, named_function
from marina.model_config import ModelConfig, read_model_config
from marina.packing import PROVENANCE
from marina.provenance import machine, versions
from marina.quantize import Arrays, Ranges, measure_ranges
from marina.variants import MEASURED, RANGES, Measured, candidates, write_measured, write_ranges

REFERENCE = ("float32", "onnxruntime")
CALIBRATION_INPUTS = 128  # some dozens are enough for ranges
ROUNDS = 3


@dataclass(frozen=True)
class Questions:
    """What the variants are asked: inputs, and what their answers are worth where that is known."""

    inputs: list[bytes]
    content_type: str = ""
    metric: str = ""
    higher_is_better: bool = True
    score: Callable[[Sequence[Any]], float] | None = None
    about: str = "the samples"


@dataclass(frozen=True)
class Plan:
    """How variants are measured."""

    data: Path | None = None  # labelled, as archive.judge reads it
    part: str = "dev"  # of it, that judges
    inputs: Path | None = None  # a folder of inputs to measure ranges on, instead of the data's train part
    percentile: float = 99.9  # of the values that lie within a range; see quantize.measure_ranges
    seconds: float = 3  # of timing, each variant, each round


def measure_variants(folder: Path, plan: Plan, write: bool, say: Callable[[str], None]) -> list[Measured]:
    """Measures every variant that this machine can run; with ``write`` it is kept in the model's folder.

    Raises MarinaError.
    """
    config = read_model_config(folder)
    questions = read_questions(config, plan)
    with tempfile.TemporaryDirectory() as name:
        # The ranges go into a copy: nothing is kept before all of it is measured.
        copy = shutil.copytree(folder, Path(name) / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
        tried = replace(config, folder=copy)
        (copy / MEASURED).unlink(missing_ok=True)
        inputs, content_type = calibration_inputs(config, plan)
        say(f"ranges of activations, over {len(inputs)} inputs")
        write_ranges(copy, plan.percentile, len(inputs), find_ranges(tried, inputs, content_type, plan.percentile))
        packed = {each: pack_variant(tried, *each) for each in candidates(tried)}
        say(f"{len(packed)} variants, asked {len(questions.inputs)} inputs each: {questions.about}")
        asked = {each: ask_archive(data, questions.inputs, questions.content_type) for each, data in packed.items()}
        speeds = time_variants(packed, questions, plan.seconds, say)
        rows = [judge(config, each, packed[each], asked, speeds, questions) for each in packed]
        if write:
            shutil.copy(copy / RANGES, folder / RANGES)
            write_measured(folder, describe_machine() | {"data": questions.about}, rows)
    return rows


def read_questions(config: ModelConfig, plan: Plan) -> Questions:
    """The labelled data's, where there are any, else the samples. Raises MarinaError."""
    if plan.data is None or not config.archive.judge:
        if plan.data is not None:
            raise MarinaError(f"{config.name} has no archive.judge, the function that reads labelled data")
        return Questions([path.read_bytes() for path in config.samples])
    cases = read_cases(config, plan.data, plan.part, None)
    about = f"{plan.part}, {len(cases.inputs)} inputs"
    return Questions(cases.inputs, cases.content_type, cases.metric, cases.higher_is_better, cases.score, about)


def read_cases(config: ModelConfig, data: Path, part: str, limit: int | None) -> Any:
    """What ``archive.judge`` reads of labelled data: a ``models.cases.Cases``. Raises MarinaError."""
    try:
        with named_function(config.archive.judge) as read:
            return read(data, part, limit)
    except (ImportError, AttributeError, OSError, ValueError) as error:
        raise MarinaError(f"archive.judge {config.archive.judge!r} can't read {data}: {error}") from error


def calibration_inputs(config: ModelConfig, plan: Plan) -> tuple[list[bytes], str]:
    """Inputs to measure ranges on, and their content type: a folder's, the data's train part, or the samples."""
    if plan.inputs is not None:
        return [path.read_bytes() for path in sorted(plan.inputs.iterdir()) if path.is_file()], ""
    if plan.data is not None and config.archive.judge:
        cases = read_cases(config, plan.data, "train", CALIBRATION_INPUTS)
        return cases.inputs, cases.content_type
    return [path.read_bytes() for path in config.samples], ""


def find_ranges(config: ModelConfig, inputs: list[bytes], content_type: str, percentile: float) -> dict[str, Ranges]:
    """Graph -> its ranges, over the arrays that the handler's own preprocessing makes of the inputs."""
    if not inputs:
        raise MarinaError(f"{config.folder} has no samples to measure ranges on: name a folder with --inputs")
    settings = handler_settings(config, "float32", "onnxruntime")
    graphs = config.archive.int8 or tuple(graph_sizes(settings))
    seen = record_arrays(config, settings, inputs, content_type)
    return {graph: measure_ranges(config.folder / graph, seen[graph], percentile) for graph in graphs}


class Recorder:
    """A model that keeps every batch it is handed."""

    def __init__(self, model: Model, batches: list[Arrays]) -> None:
        self.model = model
        self.names, self.steps = model.names, model.steps
        self.batches = batches

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        self.batches.append(dict(zip(self.names, arrays, strict=True)))
        return self.model(*arrays)


def record_arrays(
    config: ModelConfig, settings: dict[str, Any], inputs: list[bytes], content_type: str
) -> dict[str, list[Arrays]]:
    """Graph -> every batch that it is handed while the model's handler answers the inputs."""
    seen: dict[str, list[Arrays]] = {}

    def load_file(file: str) -> Recorder:
        model = load_model(str(config.folder / file), "onnxruntime", available_cores())
        return Recorder(model, seen.setdefault(file, []))

    handler: Any = find_task(config)()
    handler.start(str(config.folder), handler.settings_type(settings), available_cores(), load_file)
    for batches in seen.values():
        batches.clear()  # of the questions that loading asked
    context = LocalContext(config.folder)
    size = settings["batch_size"]
    for first in range(0, len(inputs), size):
        rows = [{"body": body} for body in inputs[first : first + size]]
        headers = [{"content-type": content_type}] * len(rows) if content_type else None
        for status, body in answer_batch(handler.handle, context, rows, headers):
            if status != 200:
                raise MarinaError(f"{config.name} answers an input to measure ranges on with {status}: {body}")
    return seen


def time_variants(
    packed: dict[tuple[str, str], bytes], questions: Questions, seconds: float, say: Callable[[str], None]
) -> dict[tuple[str, str], float]:
    """Inputs a second in full batches, decoding included, on all cores: the median of rounds in turn."""
    found: dict[tuple[str, str], list[float]] = {each: [] for each in packed}
    for number in range(1, ROUNDS + 1):
        say(f"timing, round {number} of {ROUNDS}")
        for each, data in packed.items():
            asked = ask_archive(data, questions.inputs[:64], questions.content_type, seconds, available_cores())
            found[each].append(asked.per_second)
    return {each: statistics.median(rounds) for each, rounds in found.items()}


def judge(
    config: ModelConfig,
    which: tuple[str, str],
    data: bytes,
    asked: dict[tuple[str, str], Asked],
    speeds: dict[tuple[str, str], float],
    questions: Questions,
) -> Measured:
    """One variant beside float32 in ONNX Runtime: what it answers alike, what is lost, how much faster it is."""
    variant, runtime = which
    answers, references = asked[which].parsed(), asked[REFERENCE].parsed()
    section = config.archive
    alike = agreement(answers, references, section.max_difference)
    value = drop = None
    if questions.score is not None:
        value, reference = questions.score(answers), questions.score(references)
        drop = reference - value if questions.higher_is_better else value - reference
    reason = ""
    try:
        if drop is not None and value is not None:
            check_drop(variant, questions.metric, round(drop, 6), section.max_drop, value)
        else:
            check_agreement(variant, alike, section.min_agreement, len(answers))
    except Refused as refused:
        reason = str(refused)
    return Measured(
        variant,
        runtime,
        read_digest(data),
        questions.metric,
        None if value is None else round(value, 4),
        None if drop is None else round(drop, 4),
        round(alike, 4),
        round(speeds[which] / speeds[REFERENCE], 2),
        not reason,
        reason,
    )


def read_digest(data: bytes) -> str:
    """The digest of a packed archive's graphs and weights."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return str(json.loads(archive.read(PROVENANCE))["model_sha256"])


def fastest(rows: Sequence[Measured]) -> Measured:
    """The fastest variant that passes."""
    return max((row for row in rows if row.passed), key=lambda row: row.speed_up)


def describe_machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {"machine": machine(), "versions": versions()}
