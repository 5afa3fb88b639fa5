"""``marina run``: files answered without a server, in the archive's batches, a line of JSON each."""

import json
import os
import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from handlers.threads import available_cores
from marina.bodies import Body, content_type, is_system_file
from marina.catalog import ServedArchive
from marina.errors import MarinaError
from marina.local import LocalModel
from marina.model_server import max_request_bytes
from marina.reading import read_served

BATCHES_AHEAD = 2  # a worker, so that none waits while lines are written


@dataclass(frozen=True)
class Line:
    """What became of one file."""

    file: str
    status: int
    answer: Any  # or the error, as a client would get it

    def __str__(self) -> str:
        key = "answer" if self.status == 200 else "error"
        line = {"file": self.file, "status": self.status, key: self.answer}
        text = json.dumps(line, ensure_ascii=False)
        try:
            text.encode()
        except UnicodeEncodeError:  # a file's name that is not UTF-8: JSON can write it as escapes
            return json.dumps(line)
        return text


def list_files(paths: Sequence[Path]) -> list[Path]:
    """The files themselves, and all in the folders, sorted; hidden ones and a system's left out.

    Raises MarinaError where one is not there, or a folder has none or can't be read.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += list_folder(path)
        elif os.path.lexists(path):
            found.append(path)
        else:
            raise MarinaError(f"there is no file {path}")
    return found


def list_folder(folder: Path) -> list[Path]:
    """The files in a folder and those below it; a link that leads nowhere is one that can't be read."""
    found: list[Path] = []

    def refuse(error: OSError) -> NoReturn:
        raise MarinaError(f"{error.filename} can't be read: {error.strerror}")

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not is_system_file(name)]
        found += [Path(place, name) for name in names if not is_system_file(name)]
    found = [path for path in found if path.is_file() or path.is_symlink()]
    if not found:
        raise MarinaError(f"there is no file in {folder}")
    return sorted(found)


@contextmanager
def open_results(path: Path, resume: bool) -> Iterator[tuple[IO[bytes], set[str]]]:
    """The file that lines go to, and the files that it has lines of already. Raises MarinaError.

    A line that was not finished when the run before this one ended is cut off.
    """
    done: set[str] = set()
    if path.exists():
        if not resume:
            raise MarinaError(f"{path} exists; --resume goes on with it")
        whole = path.read_bytes()
        whole = whole[: whole.rfind(b"\n") + 1]
        try:
            done = {str(json.loads(line)["file"]) for line in whole.splitlines()}
        except (ValueError, KeyError, TypeError) as error:
            raise MarinaError(f"{path} does not hold the lines of a run") from error
        with path.open("r+b") as file:
            file.truncate(len(whole))
    with path.open("ab") as results:
        yield results, done


def score(archive: Path, files: Sequence[Path], workers: int | None, write: Callable[[Line], None]) -> None:
    """Answers files with an archive's own batches, workers and threads; the lines come in the files' order.

    Raises MarinaError where the archive can't be loaded.
    """
    served = read_served(archive)
    count = workers or int(served.server["minWorkers"])
    threads = int(served.handler.get("threads", 0)) or max(1, available_cores() // count)
    models: queue.SimpleQueue[LocalModel] = queue.SimpleQueue()
    with ExitStack() as stack, ThreadPoolExecutor(count) as pool:
        for model in pool.map(lambda _: LocalModel(archive, threads), range(count)):
            stack.callback(model.close)
            models.put(model)

        def answer(batch: Sequence[Path]) -> list[Line]:
            model = models.get()
            try:
                return answer_files(model, batch)
            finally:
                models.put(model)

        size = int(served.server["batchSize"])
        batches = (files[first : first + size] for first in range(0, len(files), size))
        for lines in in_order(pool, answer, batches, count * BATCHES_AHEAD):
            for line in lines:
                write(line)


def in_order(
    pool: ThreadPoolExecutor,
    answer: Callable[[Sequence[Path]], list[Line]],
    batches: Iterable[Sequence[Path]],
    ahead: int,
) -> Iterator[list[Line]]:
    """What the batches give, one after another, with so many computed ahead."""
    waiting: deque[Future[list[Line]]] = deque()
    try:
        for batch in batches:
            waiting.append(pool.submit(answer, batch))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def answer_files(model: LocalModel, files: Sequence[Path]) -> list[Line]:
    """A batch of files; one that can't be read costs the others nothing."""
    found = [read_body(path, model.archive) for path in files]
    answers = iter(model.answer([body for body in found if isinstance(body, Body)]))
    lines = []
    for path, body in zip(files, found, strict=True):
        if isinstance(body, Body):
            answer = next(answers)
            lines.append(Line(str(path), answer.status, answer.json()))
        else:
            error = {"code": 400, "type": "UnreadableFile", "message": f"{body.strerror}."}
            lines.append(Line(str(path), 400, error))
    return lines


def read_body(path: Path, archive: ServedArchive) -> Body | OSError:
    """A file as a body, of which no more is read than shows that it is too large."""
    try:
        with path.open("rb") as file:
            return Body(file.read(max_request_bytes([archive]) + 1), content_type(path.name))
    except OSError as error:
        return error
