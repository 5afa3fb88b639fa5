"""ApacheBench: one closed-loop run against one address."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks.load import Load

PERCENTILES = (50, 95, 99)


def run_ab(
    url: str, body: Path, content_type: str, requests: int, clients: int, headers: Mapping[str, str] | None = None
) -> Load:
    """Posts a file again and again from so many clients, each on a connection that it keeps.

    Without -k, ab hangs against TorchServe; -l lets answers differ in length.
    """
    command = ["ab", "-k", "-l", "-q", "-n", str(requests), "-c", str(clients), "-s", "120"]
    command += ["-p", str(body), "-T", content_type]
    command += [part for name, value in (headers or {}).items() for part in ("-H", f"{name}: {value}")]
    command.append(url)
    return parse_ab(subprocess.check_output(command, text=True, stderr=subprocess.STDOUT))


def parse_ab(text: str) -> Load:
    """Reads the report that ab prints. Raises ValueError where it is not complete."""

    def number(pattern: str, default: str | None = None) -> str:
        found = re.search(pattern, text, re.MULTILINE)
        if found is None and default is None:
            raise ValueError(f"ab printed no {pattern}:\n{text}")
        return found[1] if found else str(default)

    percentiles = [int(number(rf"^\s+{percent}%\s+(\d+)")) for percent in PERCENTILES]
    failed = int(number(r"^Failed requests:\s+(\d+)")) + int(number(r"^Non-2xx responses:\s+(\d+)", "0"))
    return Load(float(number(r"^Requests per second:\s+([\d.]+)")), *percentiles, failed)
