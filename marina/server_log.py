"""What a model server and nginx say: the lines that matter passed on, so many at most, and why a model can't be loaded.

The server's lines come in the form of config/log4j2.xml: level, thread and logger before what is printed. What a worker
prints while it loads its model is kept, for its last lines tell what went wrong.
"""

import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import IO

MOST_BYTES_PER_MINUTE = 64_000
LONGEST_LINE = 4000  # characters; what is longer is cut into lines
KEPT_LINES = 40  # of a worker
MINUTE_S = 60
LAST_WORDS_TIMEOUT_S = 5  # until a worker that has ended is quiet
# How lines begin that look like faults and are none: Java's own warnings about the server's libraries, a GPU that is
# not there, and a start that is told before there are workers.
NOISE = ("WARNING: ", "nvidia-smi not available", "Model server started", "\n")
FORM = re.compile(
    r"(?P<level>[A-Z]+)\t(?P<thread>[^\t]*)\t(?P<logger>[^\t]*)\t(?P<text>[^ ]* +\w+ +\S* (?P<message>.*\n?))"
)
WORKER = re.compile(r"W-\d+-(?P<model>.+?)(?:_[0-9.]+)?(?P<stream>-std(?:out|err))?")
PASSED_ON = ("WARN", "ERROR", "FATAL")
STREAMS_OPEN, STREAMS_CLOSED = "attachIOStreams()", "terminateIOStreams()"  # of MMS, a warning for every worker
STREAMS = ("stdout", "stderr")
STREAM_ENDED = "Stopped Scanner"
TRACEBACK = "Traceback "
# What TorchServe and MMS say of a worker that ended, or was ended, before it had loaded its model.
LOAD_FAILED = ("Load model failed", "Backend worker error")
TOO_SLOW = "Backend worker did not respond in given time"


class BoundedOutput:
    """A stream that takes so many bytes a minute; of what is more, it tells how much was left out."""

    def __init__(
        self, output: IO[str], most_bytes: int = MOST_BYTES_PER_MINUTE, clock: Callable[[], float] = time.monotonic
    ):
        self.output = output
        self.most_bytes = most_bytes
        self.clock = clock
        self.lock = threading.Lock()
        self.minute = 0
        self.bytes = 0
        self.lines_left_out = self.bytes_left_out = 0

    def write(self, line: str) -> None:
        with self.lock:
            self.turn()
            size = len(line.encode(errors="replace"))
            if self.bytes + size <= self.most_bytes:
                self.bytes += size
                self.emit(line)
                return
            if not self.lines_left_out:
                self.emit(f"more than {self.most_bytes // 1000} kB in a minute: the rest of it is left out\n")
            self.bytes = self.most_bytes
            self.lines_left_out += 1
            self.bytes_left_out += size

    def tell_left_out(self) -> None:
        """Tells what was left out in a minute that is over."""
        with self.lock:
            self.turn()

    def turn(self) -> None:
        minute = int(self.clock() // MINUTE_S)
        if minute == self.minute:
            return
        if self.lines_left_out:
            self.emit(f"{self.lines_left_out} lines ({self.bytes_left_out / 1e6:.1f} MB) were left out\n")
        self.minute, self.bytes = minute, 0
        self.lines_left_out = self.bytes_left_out = 0

    def emit(self, line: str) -> None:
        try:
            self.output.write(line)
            self.output.flush()
        except (OSError, ValueError):  # nobody reads it any more; whoever writes here goes on
            return


class ServerLog:
    """Follows what one server prints, until it ends."""

    def __init__(self, output: BoundedOutput):
        self.output = output
        self.said: dict[str, deque[str]] = {}  # by each model's workers
        self.failed: list[str] = []  # models of which a worker ended before it had loaded them
        self.change = threading.Condition()
        self.slow: dict[str, str] = {}  # model -> why its workers were ended
        self.quiet: dict[str, int] = {}  # model -> streams of its workers that ended
        self.ended = False

    def follow(self, lines: IO[str]) -> None:
        """Reads until the server ends: it would stand still if nobody did."""
        while line := lines.readline(LONGEST_LINE):
            self.take(line)
        lines.close()
        with self.change:
            self.ended = True
            self.change.notify_all()

    def take(self, line: str) -> None:
        """One line: keeps what a worker says, passes on what a person should read."""
        found = FORM.fullmatch(line)
        if found is None:
            self.take_of_java(line)
            return
        message, worker = found["message"], WORKER.fullmatch(found["thread"])
        if worker is not None:
            self.take_of_worker(worker["model"], bool(worker["stream"]), message)
        if found["level"] in PASSED_ON and not message.startswith((STREAMS_OPEN, STREAMS_CLOSED)):
            self.output.write(found["text"])

    def take_of_java(self, line: str) -> None:
        """A line that has no form: of an exception, after the line that tells of it."""
        with self.change:
            if TOO_SLOW in line and self.failed:
                self.slow[self.failed[-1]] = "it takes longer than its startupTimeout"
                self.change.notify_all()
        if not line.startswith(NOISE):
            self.output.write(line)

    def take_of_worker(self, model: str, is_its_own: bool, message: str) -> None:
        with self.change:
            if message.startswith(STREAM_ENDED):
                self.quiet[model] = self.quiet.get(model, 0) + 1
            elif message.startswith(LOAD_FAILED):
                self.failed.append(model)
            elif is_its_own:
                self.said.setdefault(model, deque(maxlen=KEPT_LINES)).append(message)
            self.change.notify_all()

    def forget(self, model: str) -> None:
        """Forgets what went wrong with a model before."""
        with self.change:
            self.failed = [name for name in self.failed if name != model]
            self.said.pop(model, None)
            self.slow.pop(model, None)
            self.quiet.pop(model, None)

    def has_failed(self, model: str) -> bool:
        """Whether a worker of the model has ended before it had loaded it."""
        return model in self.failed

    def reason(self, model: str) -> str:
        """Why a worker could not load the model, once it has said all that it says; nothing if it does not tell."""
        with self.change:
            self.change.wait_for(lambda: self.has_told(model), LAST_WORDS_TIMEOUT_S)
            return self.slow.get(model, "") or error_line(self.said.get(model, ()))

    def has_told(self, model: str) -> bool:
        told = model in self.slow or bool(error_line(self.said.get(model, ())))
        return self.ended or told or self.quiet.get(model, 0) >= len(STREAMS)

    def is_cut_off(self, model: str) -> bool:
        """Whether a worker's traceback has no end: MMS stops reading when it has noticed that the worker is gone."""
        return not self.reason(model) and bool(self.traceback(model))

    def traceback(self, model: str) -> str:
        """The traceback among what its workers said; nothing if there is none."""
        return "".join(last_traceback(self.said.get(model, ())))


def last_traceback(said: Iterable[str]) -> list[str]:
    """The lines from the last one on that begins a traceback."""
    lines = list(said)
    begins = [number for number, line in enumerate(lines) if line.startswith(TRACEBACK)]
    return lines[begins[-1] :] if begins else []


def error_line(said: Iterable[str]) -> str:
    """The line under a traceback that names the error, or another that tells of one; nothing if there is none."""
    traceback = last_traceback(said)
    lines = traceback[1:] if traceback else [line for line in said if "error" in line.lower()]
    return next((line.strip() for line in lines if line.strip() and not line[0].isspace()), "")


def open_relay(output: BoundedOutput) -> int:
    """A file descriptor for a child to write to; what it writes goes to ``output``, line by line."""
    source, sink = os.pipe()
    reader = os.fdopen(source, encoding="utf-8", errors="replace")

    def follow() -> None:
        while line := reader.readline(LONGEST_LINE):
            output.write(line)
        reader.close()

    threading.Thread(target=follow, daemon=True).start()
    return sink
