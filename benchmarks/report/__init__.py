"""docs/performance.md, docs/reliability.md and the README's figures, written from the committed rows alone."""

import re
from pathlib import Path

from benchmarks.report import words
from benchmarks.report.aims import make_aims_table, quick_figures
from benchmarks.report.attacks import tell_attacks
from benchmarks.report.files import PLACES, REPORTS
from benchmarks.report.runs import enumerate_names
from benchmarks.report.table import make_table
from benchmarks.servers import ROOT

__all__ = ["quick_figures", "write_reports"]

MARKED = re.compile(r"(<!-- figures:[^\n]*-->\n).*?(<!-- end of figures -->)", re.DOTALL)


def write_reports(root: Path = ROOT) -> None:
    """Renders the newest runs of every file of rows into ``docs/performance.md``, and the last ones into the README.

    What attacks found goes into ``docs/reliability.md``.
    """
    results = root / "benchmarks/results"
    found = [(report, runs) for report in REPORTS if (runs := report.read(results))]
    aims = make_aims_table(results)
    sections = [words.HEAD, *([words.AIMS.format(table=aims)] if aims else [])]
    sections += [report.section(rows) for report, runs in found for rows in runs]
    (root / "docs/performance.md").write_text("\n".join(sections))
    if attacks := tell_attacks(results / "attack.csv"):
        (root / "docs/reliability.md").write_text(attacks)
    servers = root / "docs/servers.md"
    for rows in [runs[-1] for report, runs in found if report is PLACES]:
        first = rows[0]
        fill(servers, f"{make_table(rows)}\n\n{words.PLACES}\n\nRun of {first['run']} on {first['machine']}.\n")
    shown = [(report, runs[-1]) for report, runs in found if report.in_readme]
    text = words.README.format(
        lines="\n".join(line for report, rows in shown for line in report.lines(rows)),
        machine=" or ".join(dict.fromkeys(rows[0]["machine"] for _, rows in shown)),
        peers=", ".join(report.peer for report, _ in shown if report.peer),
        random=enumerate_names([report.random for report, _ in shown if report.random]),
    )
    fill(root / "README.md", text)


def fill(page: Path, text: str) -> None:
    """Puts the text between the marks of a page."""
    page.write_text(MARKED.sub(lambda match: match[1] + text + match[2], page.read_text()))
