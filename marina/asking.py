"""A packed archive, asked in a clean interpreter: it proves that it needs nothing but itself, and how fast it is."""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handlers.threads import SHARES_VARIABLE
from marina.errors import MarinaError

# Runs with the unpacked archive as its only source, and asks it every input, in full batches, as often as it takes to
# fill the seconds. The first time round warms up, unless it is the only one.
ASK = """
import json, pathlib, sys, time
folder, inputs, seconds = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), float(sys.argv[3])
sys.path.insert(0, str(folder))
import marina_entry, handlers
from handlers.local import LocalContext, answer_batch
context = LocalContext(folder, "archive")
marina_entry.handle(None, context)
size = json.loads((folder / "settings.json").read_text("utf-8"))["batch_size"]
rows = [{"body": path.read_bytes()} for path in sorted(inputs.iterdir())]
headers = {"content-type": sys.argv[4]} if sys.argv[4] else {}
def ask(first):
    batch = rows[first : first + size]
    return answer_batch(marina_entry.handle, context, batch, [headers] * len(batch))
answers = [answer for first in range(0, len(rows), size) for answer in ask(first)]
full = (rows * size)[: max(size, len(rows))] if rows else []
rows, done, began = full, 0, time.perf_counter()
while time.perf_counter() - began < seconds and rows:
    for first in range(0, len(rows) - size + 1, size):
        ask(first)
        done += size
        if time.perf_counter() - began >= seconds:
            break
elapsed = time.perf_counter() - began
for name, module in sys.modules.items():
    if name.split(".")[0] in ("handlers", "marina", "models"):
        assert folder in pathlib.Path(module.__file__).parents, f"{name} comes from outside the archive"
print(json.dumps({"answers": answers, "per_second": done / elapsed if done else 0}))
"""


@dataclass(frozen=True)
class Asked:
    """What an archive answered: (status, body) for each input, and how many inputs a second it took in full batches."""

    answers: list[tuple[int, str]]
    per_second: float

    def parsed(self) -> list[Any]:
        """The answers' JSON. Raises MarinaError where an input was not answered."""
        for status, body in self.answers:
            if status != 200:
                raise MarinaError(f"the archive answers one of its inputs with {status}: {body}")
        return [json.loads(body) for _, body in self.answers]


def ask_archive(
    data: bytes,
    inputs: Sequence[bytes],
    content_type: str = "",
    seconds: float = 0,
    threads: int | None = None,
    python: str = sys.executable,
) -> Asked:
    """Unpacks an archive outside the checkout and asks it each input as a raw body, in its own batches.

    With ``seconds`` it is asked on for so long, to measure it, on so many ``threads``; by ``python``, an interpreter of
    3.6 or newer. Raises MarinaError where the archive does not work on its own.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        (folder / "archive.mar").write_bytes(data)
        with zipfile.ZipFile(folder / "archive.mar") as archive:
            archive.extractall(folder / "unpacked")
        (folder / "inputs").mkdir()
        for number, content in enumerate(inputs):
            (folder / "inputs" / f"{number:06}").write_bytes(content)
        command = [python, "-I", "-c", ASK, str(folder / "unpacked"), str(folder / "inputs")]
        command += [str(seconds), content_type]
        environment = {**os.environ, SHARES_VARIABLE: json.dumps({"archive": threads} if threads else {})}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        # The last line of a traceback is what went wrong; the lines above are about this tool.
        reason = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise MarinaError(f"the packed archive does not work on its own: {reason}")
    found = json.loads(done.stdout.splitlines()[-1])
    return Asked([(status, body) for status, body in found["answers"]], found["per_second"])
