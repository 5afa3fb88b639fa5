"""The batch loop: one ``handle`` for every task, in which one bad request costs its neighbours nothing."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, Callable, ClassVar, Dict, List, Optional, Sequence, Tuple, Type

from .deadlines import NO_DEADLINE, NO_TIME, Deadline
from .errors import DeadlineExceeded, ModelError, OutOfMemory, RequestError
from .failures import Failures, attempt
from .memory import MemoryLimit, make_limit
from .payloads import Payload, read_payload
from .replies import set_replies
from .runtime import Model, load_model, return_freed_memory
from .settings import Settings, read_settings
from .threads import limit_library_threads, thread_share


class Handler:
    """What a task builds on. It defines ``preprocess``, ``inference``, ``postprocess`` and ``example``."""

    settings_type: Type[Settings] = Settings
    settings: Settings
    parts = 1
    timeout_s = float("inf")  # the server's for a batch
    deadline = NO_DEADLINE  # of the batch that is being answered
    memory_limit: Optional[MemoryLimit] = None
    seconds_per_input = 0.0  # that the last call of the model took
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
            self.call_model([self.example()] * size)
        start_threads(self.pool, threads)
        start_threads(self.ahead, 1)
        self.memory_limit = make_limit(settings, device)

    def start(self, model_dir: str, settings: Settings, threads: int, load_file: Callable[[str], Model]) -> None:
        """Makes ready to handle, without a warm-up; ``load_file`` gives the model in a file of the archive."""
        self.settings = settings
        self.threads = threads
        self.parts = settings.parts
        self.timeout_s = settings.timeout_s
        self.failures = Failures()
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
        self.failures = Failures()
        self.deadline = Deadline(self.timeout_s)
        if self.memory_limit is not None:
            self.memory_limit.hold(data)
        answers = attempt(lambda: self.answer_batch(data, context, clock), self.failures)
        if self.memory_limit is not None:
            self.memory_limit.release(self.failures.ran_out_of_memory, data)
        self.deadline = NO_DEADLINE
        if isinstance(answers, RequestError):  # of the loop itself; a server would answer it with 503 or 507
            answers = [encode_error(answers)] * len(data)
        self.failures.log([status for status, _ in answers])
        report_counts(context, self.counts)
        headers = {"Server-Timing": clock.server_timing(), "X-Batch-Size": str(len(data))}
        set_replies(context, answers, headers)
        return [body for _, body in answers]

    def answer_batch(self, data: Sequence[Any], context: Any, clock: "Clock") -> List[Tuple[int, bytes]]:
        """The status and the body of each request."""
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
        return answers

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
            return attempt(lambda: self.preprocess(self.read(data[index], context, index)), self.failures)

        if self.threads == 1 or len(part) == 1:
            return [preprocess_row(index) for index in part]
        found = list(self.pool.map(preprocess_row, part))
        if any(isinstance(each, OutOfMemory) for each in found):
            # Side by side, one input can take the memory that another needs; alone, it costs nobody else anything.
            return_freed_memory()
            return [
                preprocess_row(index) if isinstance(each, RequestError) else each for index, each in zip(part, found)
            ]
        return found

    def read(self, row: Any, context: Any, index: int) -> Payload:
        """The payload of the request of that index. Raises RequestError, also where the batch has no time left."""
        self.deadline.check("preprocess")
        return read_payload(row, context.request_processor[index].get_request_properties())

    def infer_all(self, inputs: Sequence[Any]) -> List[Any]:
        """An output or a RequestError for each input: in one call, unless that would take more time than is left.

        The first call is made even if one input seems to take too long; what comes after is only begun if it fits.
        """
        outputs: List[Any] = []
        while len(outputs) < len(inputs):
            rest = inputs[len(outputs) :]
            count = self.count_in_time(len(rest)) or int(not outputs)
            outputs += self.infer_halves(rest[:count]) if count else [DeadlineExceeded(NO_TIME)] * len(rest)
        return outputs

    def count_in_time(self, count: int) -> int:
        """How many of ``count`` inputs the model can take in the time left, at the speed of its last call."""
        left_s = max(0.0, self.deadline.left_s("inference"))
        return count if count * self.seconds_per_input <= left_s else int(left_s / self.seconds_per_input)

    def infer_halves(self, inputs: Sequence[Any], is_half: bool = False) -> List[Any]:
        """An output or a RequestError for each input.

        If the batch fails, or memory runs out, each half of it is tried, until the guilty stand alone: k guilty among
        n cost at most 2k * log2(n) more calls, log2(n) rounded up. A model that fails on its own example is asked no
        more, and nothing is tried after the deadline.
        """
        outputs = attempt(lambda: self.call_model(inputs), self.failures)
        if not isinstance(outputs, RequestError):
            good: List[Any] = outputs
            return good
        if len(inputs) == 1 or isinstance(outputs, DeadlineExceeded):
            return [outputs] * len(inputs)
        if not is_half and self.fails_on_example():
            return [ModelError("The model fails on every input.")] * len(inputs)
        middle = len(inputs) // 2
        return self.infer_halves(inputs[:middle], True) + self.infer_halves(inputs[middle:], True)

    def call_model(self, inputs: Sequence[Any]) -> List[Any]:
        """As many outputs as inputs, of one call. Raises DeadlineExceeded, and whatever ``inference`` raises."""
        self.deadline.check("inference")
        started = time.monotonic()
        outputs = self.inference(inputs)
        if len(outputs) != len(inputs):
            raise ValueError("inference gave another number of outputs than it had inputs")
        self.seconds_per_input = (time.monotonic() - started) / len(inputs)
        return list(outputs)

    def fails_on_example(self) -> bool:
        """Whether the model now fails on what it was warmed up with: then it is the model, and no input is guilty."""
        example = attempt(self.example)
        if isinstance(example, RequestError):
            return False
        return isinstance(attempt(lambda: self.call_model([example])), (ModelError, OutOfMemory))

    def answer(self, request: Any, output: Any) -> Tuple[int, bytes]:
        """The status and the body (bytes of strict JSON) for one request."""
        for result in (request, output):
            if isinstance(result, RequestError):
                return encode_error(result)
        body = attempt(lambda: self.encode_answer(request, output), self.failures)
        return encode_error(body) if isinstance(body, RequestError) else (200, body)

    def encode_answer(self, request: Any, output: Any) -> bytes:
        """What ``postprocess`` makes of an output, in JSON. Raises DeadlineExceeded, and whatever that raises."""
        self.deadline.check("postprocess")
        return encode_json(self.postprocess(output, request))


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


def start_threads(pool: ThreadPoolExecutor, count: int) -> None:
    """Starts all threads of a pool, which would start them when they are first needed, and memory may be short."""
    barrier = Barrier(count)
    for started in [pool.submit(barrier.wait) for _ in range(count)]:
        started.result()


def report_counts(context: Any, counts: Dict[str, int]) -> None:
    """Hands the batch's counters to the server, if it takes any."""
    metrics = getattr(context, "metrics", None)
    if metrics is not None:
        for name, value in counts.items():
            metrics.add_counter(name, value)


def encode_error(error: RequestError) -> Tuple[int, bytes]:
    return error.status, encode_json(error.body())


def encode_json(value: Any) -> bytes:
    """Strict JSON as UTF-8 bytes. Raises ValueError on NaN and Infinity, which JSON does not know."""
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate can only be written as an escape
        return json.dumps(value, allow_nan=False).encode("ascii")
