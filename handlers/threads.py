"""What a worker may use: the cores of its cgroup, divided among its model's workers, and the cgroup's memory."""

import json
import os
from typing import List, Optional

# Set by whoever starts the server: a JSON object, model name -> threads of one worker.
SHARES_VARIABLE = "MARINA_THREADS"
# Set for one of several servers on a machine: how many cores it may count on.
CORES_VARIABLE = "MARINA_CORES"
# Read by the libraries when they are first imported.
LIBRARY_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


def read_numbers(path: str) -> List[int]:
    """The numbers in a cgroup file; [] where it does not exist or says "max"."""
    try:
        with open(path) as file:
            return [int(word) for word in file.read().split()]
    except (OSError, ValueError):
        return []


def cgroup_cores(root: str = "/sys/fs/cgroup") -> Optional[float]:
    """The cores that the cgroup's CPU quota allows (quota over period, both in microseconds), or None."""
    quota = read_numbers(os.path.join(root, "cpu.max"))
    if not quota:
        quota = read_numbers(os.path.join(root, "cpu/cpu.cfs_quota_us"))
        quota += read_numbers(os.path.join(root, "cpu/cpu.cfs_period_us"))
    if len(quota) == 2 and quota[0] > 0:
        return quota[0] / quota[1]
    return None


def cgroup_memory(root: str = "/sys/fs/cgroup") -> Optional[int]:
    """The bytes of memory that the cgroup allows, or None; version 1 has a number near 2**63 for no limit."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        for limit in read_numbers(os.path.join(root, name)):
            return limit
    return None


def available_cores() -> int:
    """Whole cores that this process may keep busy, at least 1."""
    allowed = len(os.sched_getaffinity(0))
    quota = cgroup_cores()
    told = os.environ.get(CORES_VARIABLE, "")
    return max(1, min(allowed, int(quota or allowed), int(told) if told.isdecimal() else allowed))


def thread_share(model_name: Optional[str], workers: int) -> int:
    """Threads of one worker of a model: as the server was told at its start, else an equal share of the cores."""
    shares = json.loads(os.environ.get(SHARES_VARIABLE, "{}"))
    return int(shares.get(model_name) or max(1, available_cores() // workers))


def limit_library_threads(threads: int) -> None:
    """Holds the libraries that a worker has yet to import to its share."""
    for variable in LIBRARY_VARIABLES:
        os.environ[variable] = str(threads)
