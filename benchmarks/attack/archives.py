"""Hostile archives: each must be refused by `marina verify`, and by `marina serve`, before anything of it runs.

The archives come from the generator that the tests have too; what they would do if they ran is to write to a canary.
"""

import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from benchmarks.attack.findings import Finding
from benchmarks.attack.target import environment_in, marina_command, scratch_folder
from benchmarks.servers import ROOT

FIGURE = "archives"
# The tests' own, by name: CANARY, and hostile_archives(good) and good_archives(good), pairs of a name and bytes.
GENERATOR, TINY_MODEL = "tests.marina.hostile_archives", "tests.tiny"
MODEL = "colours"
HOSTILE, GOOD = 200, 60  # how many there have to be
TIMEOUT_S = 60
SERVED_EVERY = 20  # of the hostile ones, `marina serve` is asked for too


@dataclass(frozen=True)
class Plan:
    least_hostile: int = HOSTILE
    least_good: int = GOOD
    most_hostile: int = 250  # about; of more, so many are taken evenly
    every: int = 1  # only each so manieth, for a short run
    serve_every: int = SERVED_EVERY
    at_once: int = 2
    tell: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Outcome:
    """How a command ended on an archive."""

    name: str
    status: int  # 124 where it took too long
    told: str
    took_s: float

    @property
    def is_sentence(self) -> bool:
        """Whether a refusal is told in a sentence."""
        return "Traceback" not in self.told and bool(self.told.strip())


def measure_archives(plan: Plan) -> list[Finding]:
    """Rows of the hostile archives and of the good ones. Raises ModuleNotFoundError without the generator."""
    generator = import_module(GENERATOR)
    canary: Path = generator.CANARY
    canary.unlink(missing_ok=True)
    with scratch_folder() as scratch:
        environment = environment_in(scratch)
        good = build_good(scratch, environment)
        hostile = list(write_archives(scratch / "hostile", generator.hostile_archives(good)))
        hostile = hostile[:: max(plan.every, len(hostile) // plan.most_hostile)]
        sound = list(write_archives(scratch / "good", generator.good_archives(good)))[:: plan.every]
        refused = check_all(hostile, "verify", environment, plan)
        served = check_all(hostile[:: plan.serve_every], "serve", environment, plan)
        accepted = check_all(sound, "verify", environment, plan)
    return findings(refused, accepted, served, canary.exists(), plan)


def build_good(scratch: Path, environment: Mapping[str, str]) -> bytes:
    """The archive that all are made of: the tests' own small model."""
    import_module(TINY_MODEL).write_tiny_model(scratch / "models" / MODEL)
    command = marina_command("archive", MODEL, "--models", scratch / "models", "--out", scratch / "built")
    subprocess.run(command, env=dict(environment), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return (scratch / "built" / f"{MODEL}.mar").read_bytes()


def write_archives(folder: Path, archives: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, Path]]:
    """Each in a folder of its own, for the file's name is the model's."""
    for number, (name, content) in enumerate(archives):
        path = folder / str(number) / f"{MODEL}.mar"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        yield name, path


def check_all(
    archives: Sequence[tuple[str, Path]], command: str, environment: Mapping[str, str], plan: Plan
) -> list[Outcome]:
    with ThreadPoolExecutor(plan.at_once) as pool:
        found = list(pool.map(lambda each: check(command, each[0], each[1], environment), archives))
    for each in found:
        plan.tell(f"{command} {each.name}: {each.status} in {each.took_s:.1f} s: {each.told.strip()[-150:]}")
    return found


def check(command: str, name: str, path: Path, environment: Mapping[str, str]) -> Outcome:
    """`marina verify`, or `marina serve` of a store that holds nothing else, on one archive."""
    arguments: list[object] = [command, path]
    if command == "serve":
        arguments = [command, "--store", path.parent, "--models", path.stem, "--port", 0]
    began = time.perf_counter()
    with subprocess.Popen(
        marina_command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(environment), cwd=ROOT
    ) as child:
        try:
            told, _ = child.communicate(timeout=TIMEOUT_S)
            status = child.returncode
        except subprocess.TimeoutExpired:
            child.terminate()
            told, status = child.communicate()[0], 124
    return Outcome(name, status, told.decode("utf-8", "replace"), time.perf_counter() - began)


def findings(
    refused: Sequence[Outcome], accepted: Sequence[Outcome], served: Sequence[Outcome], touched: bool, plan: Plan
) -> list[Finding]:
    hostile, good = f"{len(refused)} hostile archives", f"{len(accepted)} good archives"

    def measure(attack: str, name: str, wrong: Sequence[Outcome]) -> Finding:
        note = ", ".join(each.name for each in wrong[:20])
        return Finding(FIGURE, "marina verify", attack, name, len(wrong), at_most=0, note=note)

    slowest = max(refused, key=lambda each: each.took_s)
    return [
        Finding(FIGURE, "marina verify", hostile, "archives", len(refused), at_least=plan.least_hostile),
        measure(hostile, "accepted wrongly", [each for each in refused if each.status == 0]),
        measure(
            hostile,
            "not refused in time, or not in a sentence",
            [each for each in refused if each.status == 124 or (each.status and not each.is_sentence)],
        ),
        Finding(FIGURE, "marina verify", hostile, "slowest", slowest.took_s, "s", note=slowest.name),
        Finding(
            FIGURE,
            "marina serve",
            f"{len(served)} of them",
            "served",
            sum(each.status in (0, 124) for each in served),
            at_most=0,
        ),
        Finding(FIGURE, "marina verify, serve", hostile, "canaries that were touched", int(touched), at_most=0),
        Finding(FIGURE, "marina verify", good, "archives", len(accepted), at_least=plan.least_good),
        measure(good, "refused wrongly", [each for each in accepted if each.status]),
    ]
