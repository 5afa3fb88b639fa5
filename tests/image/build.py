"""Builds Dockerfile.cpu in plain folders, starts what it made as process 1, and asks it: ``make test-image``."""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from tests.conftest import ROOT
from tests.image.dockerfile import Image, build, enter
from tests.servers import FREE_PORTS

SUITE = "bookworm"  # what Dockerfile.cpu begins from
MOST_MB = 600
MOST_S = 15  # from the start to the first answer
SAMPLE = ROOT / "models/resnet18/samples/bee-on-daisy.jpg"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="marina-image-") as name:
        scratch = Path(name)
        base = scratch / "base"
        subprocess.run(["debootstrap", "--variant=minbase", SUITE, base], check=True, stdout=subprocess.DEVNULL)
        for folder in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"):
            shutil.rmtree(base / folder)  # as Debian's slim images do
        began = time.monotonic()
        image = build(ROOT / "Dockerfile.cpu", {"debian:12.12-slim": base}, scratch)
        print(f"Built in {time.monotonic() - began:.0f} s.")
        check_size(image)
        check_serving(image)
        check_replica_of_mms(image)


def check(is_so: bool, what: str) -> None:
    print(f"{'ok' if is_so else 'NOT SO'}: {what}", flush=True)
    if not is_so:
        sys.exit(1)


def check_size(image: Image) -> None:
    size_mb = int(subprocess.check_output(["du", "-s", "--block-size=1000000", image.root], text=True).split()[0])
    check(size_mb <= MOST_MB, f"the image's files take {size_mb} MB, of {MOST_MB} at most")
    check(not list(image.root.rglob("libtorch*")), "there is no torch in it")


def check_serving(image: Image) -> None:
    began = time.monotonic()
    with started(image, ["serve", *FREE_PORTS]) as (process, url):
        answer = httpx.post(f"{url}/predictions/resnet18", content=SAMPLE.read_bytes(), timeout=30, trust_env=False)
        took_s = time.monotonic() - began
        check(answer.status_code == 200 and "bee" in answer.json(), f"it answers: {answer.text}")
        check(took_s < MOST_S, f"the first answer came after {took_s:.1f} s, of {MOST_S} at most")
        (first,) = psutil.Process(process.pid).children()
        family = [first, *first.children(recursive=True)]
        check(all(member.uids().real == 10001 for member in family), "nothing of it runs as root")
        check(namespace_pid(first) == 1, "marina serve is process 1")
        health = [word.replace("8000", url.rpartition(":")[2]) for word in image.health]
        check(
            subprocess.run(
                ["nsenter", "--target", str(first.pid), "--pid", "--mount", "chroot", image.root, *health],
                env=image.environment,
            ).returncode
            == 0,
            "its health check passes",
        )
        print(f"Everything together, each model as it says, takes {sum(map(pss, family)) / 1e6:.0f} MB (PSS).")
        orphan_and_reap(first)
        family = [first, *first.children(recursive=True)]
        first.send_signal(signal.SIGTERM)
        check(process.wait(60) == 0, "it ends with status 0 on SIGTERM")
        check(not [member for member in family if member.is_running()], "and leaves no process")


def check_replica_of_mms(image: Image) -> None:
    with started(image, ["serve", "--server", "mms", "--models", "resnet18", *FREE_PORTS]) as (_, url):
        answer = httpx.post(f"{url}/predictions/resnet18", content=SAMPLE.read_bytes(), timeout=30, trust_env=False)
        check(answer.status_code == 200, "it serves with MMS too")


def orphan_and_reap(first: psutil.Process) -> None:
    """A worker's killed server leaves the worker to process 1, which has to let go of it when it ends."""
    java = next(child for child in first.children() if child.name() == "java")
    java.kill()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        time.sleep(0.5)
        zombies = [child for child in first.children(recursive=True) if child.status() == psutil.STATUS_ZOMBIE]
        if not zombies and any(child.name() == "java" and child.pid != java.pid for child in first.children()):
            break
    check(not zombies, "process 1 reaps what is left to it, and starts its server again")


def namespace_pid(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.findall(r"^NSpid:.*\t(\d+)$", status, re.MULTILINE)[0])


def pss(process: psutil.Process) -> int:
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


@contextmanager
def started(image: Image, command: list[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The image's entry point with a command, as process 1 of a namespace; and its address."""
    process = subprocess.Popen(
        enter(image, [*image.entrypoint, *command]),
        env=image.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True).start()
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"^Marina serves on (\S+?),?(?: with .*)?$", "".join(lines), re.MULTILINE)):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("it does not start:\n" + "".join(lines))
            time.sleep(0.05)
        yield process, found[1]
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
