"""Plots of results, the same bytes for the same rows."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from benchmarks.servers import ROOT

PEERS_PLOT = ROOT / "docs/plots/peers.svg"
STYLE: Any = {"svg.hashsalt": "marina", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False}
DRIVERS = {"ab": "#1f77b4", "locust": "#9ecae1"}
PANELS = {"requests_per_s": "requests/s, more is better", "p99_ms": "p99 in ms, less is better"}
BAR = 0.4  # of the height of a server's place


def plot_peers(rows: Sequence[dict[str, str]], path: Path = PEERS_PLOT) -> None:
    """A run's servers, the fastest first: a bar for the median of the rounds, a point for each round."""
    servers = sorted(
        {row["server"] for row in rows}, key=lambda server: statistics.median(of(rows, server, "ab") or [0])
    )
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 1.2 + 0.55 * len(servers)), layout="constrained")
        for axes, (column, title) in zip(figure.subplots(1, 2, sharey=True), PANELS.items(), strict=True):
            for number, (driver, colour) in enumerate(DRIVERS.items()):
                places = [place + BAR * (0.5 - number) for place in range(len(servers))]
                found = [of(rows, server, driver, column) for server in servers]
                axes.barh(places, [statistics.median(each or [0]) for each in found], BAR, color=colour, label=driver)
                for place, each in zip(places, found, strict=True):
                    axes.plot(each, [place] * len(each), ".", color="black", markersize=3)
            axes.set_yticks(range(len(servers)), servers)
            axes.set_xlabel(title)
        figure.axes[0].legend(loc="lower right", frameon=False)
        figure.suptitle(describe(rows[0]))
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None})


def of(rows: Sequence[dict[str, str]], server: str, driver: str, column: str = "requests_per_s") -> list[float]:
    """A server's figures, one a round."""
    return [float(row[column]) for row in rows if row["server"] == server and row["driver"] == driver]


def describe(row: dict[str, str]) -> str:
    return f"ResNet18 {row['variant']} in {row['runtime']}, {row['clients']} clients, {row['machine']}"
