"""docs/reliability.md: what the attacks of ``make attack`` found, the newest run of each figure at each place."""

from pathlib import Path

from benchmarks.report import words
from benchmarks.report.runs import Rows, groups
from benchmarks.rows import read_rows

# figure: what stands above its table
TITLES = {
    "mutations": ("Mutated inputs", words.MUTATIONS),
    "memory": ("Memory", words.MEMORY),
    "archives": ("Hostile archives", words.ARCHIVES),
    "kills": ("Killed workers and servers", words.KILLS),
    "slow clients": ("Slow clients", words.SLOW),
    "access": ("Names, origins and ports", words.ACCESS),
}
HELD = {"yes": "held", "no": "**not held**", "": "told"}
LONGEST_NOTE = 240


def tell_attacks(results: Path) -> str:
    """The page; nothing where no attack was run."""
    rows = newest_runs(read_rows(results)) if results.exists() else []
    if not rows:
        return ""
    asserted = [row for row in rows if row["held"]]
    sections = [
        words.ATTACKED.format(held=sum(row["held"] == "yes" for row in asserted), asserted=len(asserted)),
    ]
    sections += [
        section(title, about, found)
        for figure, (title, about) in TITLES.items()
        if (found := [row for row in rows if row["figure"] == figure])
    ]
    return "\n".join(sections)


def newest_runs(rows: Rows) -> Rows:
    """The rows of the last run of each figure at each place."""
    last = {(row["figure"], row["place"]): row["run"] for row in rows}
    return [row for row in rows if last[row["figure"], row["place"]] == row["run"]]


def section(title: str, about: str, rows: Rows) -> str:
    lines = ["| where | attacked with | measured | found | allowed | | more |", "|---|---|---|---:|---:|---|---|"]
    lines += [
        f"| {row['place']} | {row['attack']} | {row['measure']} | {row['value']} {row['unit']} | {row['bound']} "
        f"| {HELD[row['held']]} | {shorten(row['note'])} |"
        for row in rows
    ]
    runs = [
        words.ATTACK_RUN.format(**run[0], places=", ".join(dict.fromkeys(row["place"] for row in run)))
        for run in groups(rows, "run").values()
    ]
    return words.ATTACK_SECTION.format(title=title, about=about, table="\n".join(lines), runs="\n".join(runs))


def shorten(note: str) -> str:
    """A note as a table's cell takes it."""
    plain = note.replace("|", "/").replace("\n", " ").replace("<", "&lt;")
    return plain if len(plain) <= LONGEST_NOTE else plain[:LONGEST_NOTE] + " ..."
