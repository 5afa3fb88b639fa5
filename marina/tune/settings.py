"""The knobs: what a setting of them is, which there are on a machine, and which of two settings is the simpler."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
# TorchServe with 0 takes one more request than the first, however many wait.
DELAYS_MS = (1, 5, 20)
VARIANTS = ("float32", "torchscript", "float16", "bf16", "int8", "mixed")  # the nearest to the trained model first


@dataclass(frozen=True)
class Setting:
    """One value for every knob."""

    variant: str
    runtime: str
    workers: int
    threads: int  # of one worker
    batch_size: int
    delay_ms: int

    def __str__(self) -> str:
        return (
            f"{self.variant} {self.runtime}, {self.workers} x {self.threads} threads, "
            f"batch {self.batch_size}, {self.delay_ms} ms"
        )

    @property
    def build(self) -> tuple[str, str]:
        """What an archive is built for: variant and runtime."""
        return self.variant, self.runtime

    def serving_changes(self) -> dict[str, int | str]:
        """The keys of model-config.yaml that an archive of this build has to change."""
        return {
            "minWorkers": self.workers,
            "batchSize": self.batch_size,
            "maxBatchDelay": self.delay_ms,
            "handler.threads": self.threads,
        }

    def all_changes(self, most_workers: int) -> dict[str, int | str]:
        """The same for a model's folder, whose maxWorkers may have to rise."""
        changes = {**self.serving_changes(), "handler.runtime": self.runtime, "archive.variant": self.variant}
        return {**changes, "maxWorkers": self.workers} if self.workers > most_workers else changes


def simplicity(setting: Setting) -> tuple[int, ...]:
    """Sorts simpler settings first.

    A variant nearer to the trained model, then fewer workers (memory), a smaller batch, a shorter delay, fewer
    threads; between runtimes the handler's default.
    """
    variant = VARIANTS.index(setting.variant) if setting.variant in VARIANTS else len(VARIANTS)
    runtime = int(setting.runtime != "onnxruntime")
    return variant, setting.workers, setting.batch_size, setting.delay_ms, setting.threads, runtime


def thread_counts(cores: int) -> list[int]:
    """Threads of a worker that are tried: 1, 2, 4 ... and all cores."""
    powers = [1 << exponent for exponent in range(cores.bit_length()) if 1 << exponent <= cores]
    return sorted({*powers, cores})


def shapes(cores: int) -> list[tuple[int, int]]:
    """Pairs of workers and threads: one worker, half the cores, all the cores, and a worker more than fills them."""
    return [
        (workers, threads)
        for threads in thread_counts(cores)
        for workers in sorted({1, cores // (2 * threads), cores // threads, cores // threads + 1} - {0})
    ]


def whole_grid(builds: Iterable[tuple[str, str]], cores: int) -> list[Setting]:
    """Every setting there is."""
    return [
        Setting(*build, *shape, batch_size, delay_ms)
        for build in builds
        for shape in shapes(cores)
        for batch_size in BATCH_SIZES
        for delay_ms in DELAYS_MS
    ]


def neighbours(setting: Setting, cores: int) -> list[Setting]:
    """The settings of the same build that differ in one knob: the next batches, every delay, the nearest shapes."""
    larger = [size for size in BATCH_SIZES if size > setting.batch_size][:1]
    smaller = [size for size in BATCH_SIZES if size < setting.batch_size][-1:]
    used = setting.workers * setting.threads
    near = sorted(shapes(cores), key=lambda shape: (abs(shape[0] * shape[1] - used), shape))
    found = [replace(setting, batch_size=size) for size in (*smaller, *larger)]
    found += [replace(setting, workers=workers, threads=threads) for workers, threads in near[:4]]
    found += [replace(setting, delay_ms=delay_ms) for delay_ms in DELAYS_MS]
    return [each for each in dict.fromkeys(found) if each != setting]
