"""A long measuring in parts: what is finished at this commit is not repeated, and what can't run stops no other."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

FINISHED = Path(__file__).with_name(".finished.json")  # part -> commit at which it was finished; git ignores it


@dataclass(frozen=True)
class Progress:
    """Which parts are finished, kept in a file."""

    path: Path
    commit: str

    def read(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.path.read_text()) if self.path.exists() else {}
        return found

    def is_finished(self, part: str, resume: bool) -> bool:
        """At this very commit. A changed tree has no name of its own: there, who resumes says that it is the same."""
        return self.read().get(part) == self.commit and (resume or not self.commit.endswith("-dirty"))

    def finish(self, part: str) -> None:
        self.path.write_text(json.dumps(self.read() | {part: self.commit}, indent=2) + "\n")


def run_parts(
    parts: Mapping[str, Callable[[], None]], progress: Progress, tell: Callable[[str], None], resume: bool
) -> list[str]:
    """Measures one part after another; gives those that failed, after telling why."""
    failed = []
    for name, measure in parts.items():
        if progress.is_finished(name, resume):
            tell(f"{name}: finished at {progress.commit}, not measured again")
            continue
        tell(f"{name}: begins")
        began = time.monotonic()
        try:
            measure()
        except Exception as error:  # whatever one part meets, the others have figures to make
            tell(f"{name}: can't be measured: {type(error).__name__}: {error}")
            failed.append(name)
        else:
            progress.finish(name)
            tell(f"{name}: finished in {(time.monotonic() - began) / 60:.1f} minutes")
    return failed
