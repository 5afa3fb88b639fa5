"""Run by the prior in an interpreter of its own: how long an unpacked archive's handler takes for batches.

    python -I time_handler.py FOLDER SECONDS LONGEST_S SIZE... < samples

Standard input has a line for each sample, its type and its bytes in base64, then an empty one. When the model is
loaded, "ready" is printed, and the timing waits for another line, so that several of these begin together. What it
prints then is one line of JSON: size -> seconds of each repeat, and the peak of the resident memory in bytes.
"""

import base64
import itertools
import json
import resource
import sys
import time
from collections.abc import Iterator

Sample = tuple[dict[str, bytes], dict[str, str]]  # a row as a server gives it, and its headers
FEWEST_REPEATS = 3


def main() -> None:
    folder, seconds, longest_s, *sizes = sys.argv[1:]
    samples = itertools.cycle([read_sample(line) for line in iter(lambda: sys.stdin.readline().strip(), "")])
    sys.path.insert(0, folder)
    import marina_entry  # type: ignore[import-not-found]

    from handlers.local import LocalContext, answer_batch

    context = LocalContext(folder)
    marina_entry.handle(None, context)
    print("ready", flush=True)
    sys.stdin.readline()
    times: dict[int, list[float]] = {}
    for size in map(int, sizes):
        answer_batch(marina_entry.handle, context, *next_batch(samples, size))
        began = time.perf_counter()
        taken: list[float] = []
        while len(taken) < FEWEST_REPEATS or time.perf_counter() - began < float(seconds):
            batch = next_batch(samples, size)
            before = time.perf_counter()
            answers = answer_batch(marina_entry.handle, context, *batch)
            taken.append(time.perf_counter() - before)
            for status, body in answers:
                if status != 200:
                    sys.exit(f"it answers {status}: {body}")
        times[size] = taken
        if min(taken) > float(longest_s):
            break
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"times": times, "memory": memory}), flush=True)


def read_sample(line: str) -> Sample:
    content_type, _, content = line.rpartition(" ")
    return {"body": base64.b64decode(content)}, {"Content-Type": content_type}


def next_batch(samples: Iterator[Sample], size: int) -> tuple[list[dict[str, bytes]], list[dict[str, str]]]:
    """The rows and the headers of the next so many requests."""
    taken = list(itertools.islice(samples, size))
    return [row for row, _ in taken], [headers for _, headers in taken]


if __name__ == "__main__":
    main()
