"""As much of a Dockerfile as Dockerfile.cpu uses, built in plain folders: for machines without a Docker engine."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

# What a build sees of the machine that it runs on: its name server, as in Docker; and, so that a registry behind a
# proxy is reached, the certificates that it trusts. Where it is, and where it is seen.
HOST_FILES = {"/etc/resolv.conf": "/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt": "/run/certificates.crt"}
CERTIFICATES = dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE"), HOST_FILES["/etc/ssl/certs/ca-certificates.crt"])
PROXY = re.compile(r"(https?|no)_proxy", re.IGNORECASE)


@dataclass
class Image:
    """A stage: its files, and what the instructions after them say."""

    root: Path
    environment: dict[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"}
    )
    folder: str = "/"
    user: str = "root"
    health: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def read_instructions(text: str) -> Iterator[tuple[str, str]]:
    """(instruction, the rest) of each, its lines joined. Raises ValueError where a line has none."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            instruction, _, rest = line.strip().partition(" ")
            yield instruction, rest.strip()


def build(dockerfile: Path, bases: dict[str, Path], scratch: Path) -> Image:
    """The last stage of a Dockerfile. ``bases`` are the file systems of the images that it begins from, by name."""
    context, arguments = dockerfile.parent, dict[str, str]()
    stages: dict[str, Image] = {}
    image = Image(scratch)
    for instruction, rest in read_instructions(dockerfile.read_text()):
        if instruction == "ARG":
            name, _, value = rest.partition("=")
            arguments[name] = value
        elif instruction == "FROM":
            base, _, name = re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], rest).partition(" AS ")
            image = stages[name or "last"] = Image(scratch / (name or "last"))
            subprocess.run(["cp", "-a", bases[base], image.root], check=True)
        elif instruction == "RUN":
            run(image, ["/bin/sh", "-c", rest])
        elif instruction == "COPY":
            copy(image, rest, context, stages)
        elif instruction == "WORKDIR":
            image.folder = rest
            (image.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif instruction == "ENV":
            for pair in shlex.split(rest):
                name, _, value = pair.partition("=")
                image.environment[name] = value.replace("$PATH", image.environment["PATH"])
        elif instruction == "USER":
            image.user = rest
        elif instruction == "HEALTHCHECK":
            image.health = json.loads(rest.partition(" CMD ")[2])
        elif instruction == "ENTRYPOINT":
            image.entrypoint = json.loads(rest)
        elif instruction == "CMD":
            image.command = json.loads(rest)
        elif instruction not in ("EXPOSE", "STOPSIGNAL", "VOLUME"):
            raise ValueError(f"{instruction} is not known here")
    return image


def copy(image: Image, words: str, context: Path, stages: dict[str, Image]) -> None:
    """COPY, from the context without what .dockerignore names, or from another stage."""
    found = re.fullmatch(r"(?:--from=(\w+) )?(.+) (\S+)", words)
    if found is None:
        raise ValueError(f"COPY {words} is not known here")
    source = stages[found[1]].root if found[1] else context
    ignored = [] if found[1] else (context / ".dockerignore").read_text().split("\n")
    target = image.root / found[3].lstrip("/") if found[3].startswith("/") else image.root / image.folder.lstrip("/")
    for path in found[2].split():
        copy_tree(source / path.lstrip("/"), target, [line for line in ignored if line and not line.startswith("#")])


def copy_tree(source: Path, target: Path, ignored: list[str]) -> None:
    def is_ignored(folder: str, names: list[str]) -> list[str]:
        relative = Path(folder).relative_to(source)
        return [name for name in names if any(matches(str(relative / name), name, pattern) for pattern in ignored)]

    shutil.copytree(source, target, symlinks=True, ignore=is_ignored, dirs_exist_ok=True)


def matches(path: str, name: str, pattern: str) -> bool:
    return fnmatch(name, pattern[3:]) if pattern.startswith("**/") else fnmatch(path, pattern)


def enter(image: Image, command: list[str], binds: Mapping[str, str] | None = None) -> list[str]:
    """The command line that runs a command in the image, in namespaces of its own, as its process 1.

    ``binds`` are files of this machine, and where they are seen there.
    """
    mounts = f"mount -t proc proc {image.root}/proc && mount --rbind /dev {image.root}/dev && "
    mounts += f"mount -t tmpfs tmpfs {image.root}/tmp && "
    mounts += "".join(f"mount --bind {path} {image.root}{place} && " for path, place in (binds or {}).items())
    chroot = ["chroot", f"--userspec={image.user}", image.root]
    chroot += ["/bin/sh", "-c", 'cd "$0" && exec "$@"', image.folder]
    line = mounts + "exec " + shlex.join(str(part) for part in [*chroot, *command])
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-euc", line]


def run(image: Image, command: list[str]) -> None:
    """RUN. Raises CalledProcessError."""
    binds = {path: place for path, place in HOST_FILES.items() if Path(path).exists()}
    made = [image.root / place[1:] for place in binds.values() if not (image.root / place[1:]).exists()]
    for path in made:
        path.touch()
    proxies = {name: value for name, value in os.environ.items() if PROXY.fullmatch(name)}
    environment = image.environment | CERTIFICATES | proxies
    subprocess.run(enter(image, command, binds), env=environment, check=True)
    for path in made:
        path.unlink()
