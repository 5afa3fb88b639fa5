"""The batch loop: one ``handle`` for every task, in which one bad request costs its neighbours nothing."""

import json
import logging
import os
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, ClassVar, Dict, List, Sequence, Tuple, Type

from .errors import ModelError, RequestError
from .payloads import Payload, read_payload
from .replies import set_replies
from .runtime import Model, load_model
from .settings import Settings, read_settings
from .threads import limit_library_threads, thread_share

logger = logging.getLogger(__name__)


class Handler:
    """What a task builds on. It defines ``preprocess``, ``inference``, ``postprocess`` and ``example``."""

    settings_type: Type[Settings] = Settings
    settings: Settings
    parts = 1
    answer_schema: ClassVar[
        Dict[str, Any]
    ] = {}  # what ``postprocess`` gives, in JSON Schema 2020-12; this one is anything

    def initialize(self, context: Any) -> None:
        """Reads the settings, loads the model and warms it up; once a worker, before it is READY."""
        properties = context.system_properties
        model_dir = properties.get("model_dir")
        settings = self.settings_type(read_settings(model_dir))
        share = thread_share(getattr(context, "model_name", None), settings.workers)
        threads = settings.threads or share
        limit_library_threads(threads)
        gpu = properties.get("gpu_id")
        device = "cpu" if gpu is None else "cuda:%s" % gpu

        def load_file(file: str) -> Model:
            path = os.path.join(model_dir, file)
            return load_model(path, settings.runtime, threads, device, settings.precision)

        self.start(model_dir, settings, threads, load_file)
        for size in (1, settings.batch_size):
            self.inference([self.example()] * size)

    def start(self, model_dir: str, settings: Settings, threads: int, load_file: Callable[[str], Model]) -> None:
        """Makes ready to handle, without a warm-up; ``load_file`` gives the model in a file of the archive."""
        self.settings = settings
        self.threads = threads
        self.parts = settings.parts
        self.pool = ThreadPoolExecutor(threads)
        self.ahead = ThreadPoolExecutor(1)  # computes a part of a batch while the next one is decoded
        self.counts: Dict[str, int] = {}
        self.load(load_file)
        self.prepare(model_dir)

    def load(self, load_file: Callable[[str], Model]) -> None:
        """Loads the model with ``load_file``, which takes a file of the archive by its name."""
        self.model = load_file(self.settings.file)

    def prepare(self, model_dir: str) -> None:
        """Loads what a task needs beside its model, such as a tokenizer."""

    def preprocess(self, payload: Payload) -> Any:
        """One request's ``Payload`` to one input of the model. Raises RequestError."""
        raise NotImplementedError

    def inference(self, inputs: Sequence[Any]) -> Any:
        """One batch of good inputs to as many outputs, in their order."""
        raise NotImplementedError

    def postprocess(self, output: Any, request: Any) -> Any:
        """One output to what JSON can say; ``request`` is what ``preprocess`` gave for it."""
        raise NotImplementedError

    def example(self) -> Any:
        """An input as ``preprocess`` gives it, for the warm-up."""
        raise NotImplementedError

    def handle(self, data: Sequence[Any], context: Any) -> List[bytes]:
        """Answers a batch: one row a request in, one JSON body (bytes) a request out, in the same order.

        Each request has its own status; an error reaches only the request that it belongs to.
        """
        clock = Clock()
        self.counts = {}
        requests: List[Any] = []
        started = []
        for part in cut_evenly(len(data), self.parts):
            found = self.preprocess_all(data, context, part)
            good = [index for index, request in zip(part, found) if not isinstance(request, RequestError)]
            requests += found
            started.append((good, self.begin([requests[index] for index in good])))
        clock.lap("preprocess")
        outputs = {index: output for good, finish in started for index, output in zip(good, finish())}
        clock.lap("inference")
        answers = [self.answer(request, outputs.get(index)) for index, request in enumerate(requests)]
        clock.lap("postprocess")
        report_counts(context, self.counts)
        headers = {"Server-Timing": clock.server_timing(), "X-Batch-Size": str(len(data))}
        set_replies(context, answers, headers)
        return [body for _, body in answers]

    def count(self, **counts: int) -> None:
        """Adds to the counters that the server's /metrics shows after this batch."""
        for name, value in counts.items():
            self.counts[name] = self.counts.get(name, 0) + value

    def begin(self, inputs: Sequence[Any]) -> Callable[[], List[Any]]:
        """What gives ``infer_all`` of the inputs; a part of a batch begins at once, beside what comes next."""
        if self.parts == 1:
            return lambda: self.infer_all(inputs)
        return self.ahead.submit(self.infer_all, inputs).result

    def preprocess_all(self, data: Sequence[Any], context: Any, part: Sequence[int]) -> List[Any]:
        """Each row's input, of the rows that the part numbers, or the RequestError that answers it.

        They are made side by side where there are threads for it.
        """

        def preprocess_row(index: int) -> Any:
            headers = context.request_processor[index].get_request_properties()
            return attempt(lambda: self.preprocess(read_payload(data[index], headers)))

        apply = self.pool.map if self.threads > 1 and len(part) > 1 else map
        return list(apply(preprocess_row, part))

    def infer_all(self, inputs: Sequence[Any]) -> List[Any]:
        """An output or a ModelError for each input.

        Where the batch fails, or memory runs out, each half of it is tried, until the guilty stand alone.
        """
        if not inputs:
            return []
        outputs = attempt(lambda: match_length(self.inference(inputs), len(inputs)))
        if not isinstance(outputs, RequestError):
            good: List[Any] = outputs
            return good
        if len(inputs) == 1:
            return [outputs]
        middle = len(inputs) // 2
        return self.infer_all(inputs[:middle]) + self.infer_all(inputs[middle:])

    def answer(self, request: Any, output: Any) -> Tuple[int, bytes]:
        """The status and the body (bytes of strict JSON) for one request."""
        for result in (request, output):
            if isinstance(result, RequestError):
                return result.status, encode_json(result.body())
        body = attempt(lambda: encode_json(self.postprocess(output, request)))
        if isinstance(body, RequestError):
            return body.status, encode_json(body.body())
        return 200, body


class Clock:
    """The wall time of a batch's steps, in milliseconds."""

    def __init__(self) -> None:
        self.laps: List[str] = []
        self.last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps.append("%s;dur=%.2f" % (name, (now - self.last) * 1000))
        self.last = now

    def server_timing(self) -> str:
        """The steps in the syntax of the Server-Timing header (W3C)."""
        return ", ".join(self.laps)


def cut_evenly(count: int, parts: int) -> List[range]:
    """The numbers below ``count`` in so many ranges, alike in length; in fewer, where one would be empty."""
    parts = max(1, min(parts, count))
    ends = [count * number // parts for number in range(parts + 1)]
    return [range(first, last) for first, last in zip(ends, ends[1:])]  # noqa: RUF007 (Python 3.6)


def attempt(step: Callable[[], Any]) -> Any:
    """What the step gives, or the RequestError that it ends with; any other exception becomes a ModelError."""
    try:
        return step()
    except RequestError as error:
        return error
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # whatever a model raises is its own fault; a panic in Rust is no Exception
        # The message may hold a piece of the input, so only the type and the place are logged.
        frames = traceback.extract_tb(error.__traceback__)
        places = ["%s:%d" % (os.path.basename(frame.filename), frame.lineno or 0) for frame in frames]
        logger.error("A step of the model raised %s at %s", type(error).__name__, " > ".join(places))
        return ModelError("The model failed on this input.")


def report_counts(context: Any, counts: Dict[str, int]) -> None:
    """Hands the batch's counters to the server, if it takes any."""
    metrics = getattr(context, "metrics", None)
    if metrics is not None:
        for name, value in counts.items():
            metrics.add_counter(name, value)


def match_length(outputs: Sequence[Any], length: int) -> List[Any]:
    if len(outputs) != length:
        raise ValueError("inference gave another number of outputs than it had inputs")
    return list(outputs)


def encode_json(value: Any) -> bytes:
    """Strict JSON as UTF-8 bytes. Raises ValueError on NaN and Infinity, which JSON does not know."""
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate can only be written as an escape
        return json.dumps(value, allow_nan=False).encode("ascii")
