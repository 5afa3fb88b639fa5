"""An archive in plain Python, without a server: ``marina.load`` for notebooks and tests, and what ``marina run`` asks.

The archive runs in a process of its own, with nothing but itself on its path: the answers are those of the code that
was packed, whatever the notebook has imported, and a model that takes its process with it costs nobody else anything.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

from handlers.local import read_rows, write_rows
from handlers.threads import SHARES_VARIABLE
from marina.bodies import Body, read_bodies
from marina.catalog import ServedArchive
from marina.copies import copy_bytes
from marina.errors import MarinaError
from marina.reading import describe_served
from marina.verify import read_archive

END_TIMEOUT_S = 5
Input = Body | bytes | str | os.PathLike[str]  # a body, or a file's path

START = """
import sys
sys.path.insert(0, sys.argv[1])
import marina_entry
from handlers.local import answer_pipe
answer_pipe(marina_entry.handle, sys.argv[1], sys.argv[2])
"""


class WorkerLost(MarinaError):
    """The archive's process ended in the middle of a batch."""


@dataclass(frozen=True)
class Answer:
    """What a request is answered with, on every server the same."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Process:
    """The interpreter that an unpacked archive runs in."""

    def __init__(self, folder: Path, name: str, environment: Mapping[str, str]):
        """Starts it and waits until the model is loaded. Raises MarinaError with what it said last."""
        self.name = name
        errors = folder / "errors.txt"
        command = [sys.executable, "-I", "-c", START, str(folder), name]
        with errors.open("wb") as output:
            self.child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, cwd=folder, env=environment
            )
        self.source, self.sink = cast(IO[bytes], self.child.stdout), cast(IO[bytes], self.child.stdin)
        if read_rows(self.source) is None:
            self.end()
            reason = (errors.read_text(errors="replace").strip().splitlines() or ["it ended without a word"])[-1]
            raise MarinaError(f"{name} can't be loaded: {reason}")

    def answer(self, bodies: Sequence[Body]) -> list[Answer]:
        """One batch, answered in its order. Raises WorkerLost where the process ends over it."""
        heads = [{"headers": {"content-type": body.content_type}} for body in bodies]
        try:
            write_rows(self.sink, heads, [body.content for body in bodies])
        except BrokenPipeError:
            raise WorkerLost(f"{self.name} ended before it answered") from None
        rows = read_rows(self.source)
        if rows is None:
            raise WorkerLost(f"{self.name} ended before it answered")
        return [Answer(head["status"], head["headers"], content) for head, content in zip(*rows, strict=True)]

    def end(self) -> None:
        """Ends it, as what it reads from ends."""
        with contextlib.suppress(BrokenPipeError):  # it had ended before it read the last batch
            self.sink.close()
        self.source.close()
        try:
            self.child.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class LocalModel:
    """A model that answers in batches, in a process of its own, until it is closed."""

    def __init__(self, archive: str | os.PathLike[str], threads: int | None = None):
        """Checks the archive and loads it. Raises MarinaError."""
        self.folder = tempfile.TemporaryDirectory(prefix="marina-")
        with contextlib.ExitStack() as stack:
            stack.callback(self.folder.cleanup)
            self.archive = unpack(Path(archive), Path(self.folder.name))
            self.name = self.archive.name
            self.batch_size = int(self.archive.server["batchSize"])
            self.environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
            self.environment |= {SHARES_VARIABLE: json.dumps({self.name: threads} if threads else {})}
            self.process: Process | None = self.start()
            stack.pop_all()

    def start(self) -> Process:
        return Process(Path(self.folder.name), self.name, self.environment)

    def answer_batch(self, bodies: Sequence[Body]) -> list[Answer]:
        """One batch, whatever its size, answered in its order. Raises WorkerLost where the process ends over it."""
        if self.process is None:
            raise MarinaError(f"{self.name} is closed")
        return self.process.answer(bodies)

    def answer(self, inputs: Sequence[Input]) -> list[Answer]:
        """Every input's answer, computed in the archive's own batches.

        A batch that ends the process is asked again one by one, and what ends it alone is answered with 500.
        """
        asked = [as_body(each) for each in inputs]
        batches = (asked[first : first + self.batch_size] for first in range(0, len(asked), self.batch_size))
        return [answer for batch in batches for answer in self.answer_whatever_comes(batch)]

    def answer_whatever_comes(self, batch: Sequence[Body]) -> list[Answer]:
        try:
            return self.answer_batch(batch)
        except WorkerLost:
            self.restart()
        if len(batch) == 1:
            error = {"code": 500, "type": "WorkerDied", "message": "The model's process ended over this input."}
            return [Answer(500, {"content-type": "application/json"}, json.dumps(error).encode())]
        return [answer for body in batch for answer in self.answer_whatever_comes([body])]

    def __call__(self, one: Input) -> Any:
        """One answer, parsed; for a notebook. An error is what a client would get: {"code", "type", "message"}."""
        return self.answer([one])[0].json()

    def __enter__(self) -> "LocalModel":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def restart(self) -> None:
        """Takes the place of a process that was lost. Raises MarinaError."""
        if self.process is not None:
            self.process.end()
        self.process = self.start()

    def close(self) -> None:
        """Ends the process and removes what was unpacked."""
        if self.process is not None:
            self.process.end()
            self.process = None
        self.folder.cleanup()


def as_body(value: Input) -> Body:
    """Bytes and text are a body; only a path is a file, so that no text is taken for one."""
    if isinstance(value, Body):
        return value
    if isinstance(value, os.PathLike):
        return read_bodies([Path(value)])[0]
    return Body(value.encode(), "text/plain") if isinstance(value, str) else Body(value)


def unpack(archive: Path, folder: Path) -> ServedArchive:
    """Writes a verified archive's files into a folder of this user's own. Raises MarinaError.

    What is verified is a copy beside them, which nobody else can change meanwhile.
    """
    if not archive.is_file():
        raise MarinaError(f"there is no archive {archive}")
    with tempfile.TemporaryDirectory(prefix="marina-") as private:
        copy = Path(private) / archive.name
        try:
            with archive.open("rb") as file:
                copy_bytes(file, copy)
        except OSError as error:
            raise MarinaError(f"{archive} can't be copied: {error.strerror}") from error
        contents = read_archive(copy)
        contents.extract(folder)
        return replace(describe_served(copy, contents), path=archive.resolve())
