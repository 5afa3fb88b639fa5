"""What an attack found: one measure each, with what is allowed, as rows of ``attack.csv``."""

from dataclasses import dataclass

from benchmarks.rows import Row


@dataclass(frozen=True)
class Finding:
    """One measure of one attack. Without a bound it is only reported."""

    figure: str
    place: str  # torchserve, mms, replicas, in process
    attack: str  # what was done
    measure: str  # what was looked at
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def held(self) -> bool:
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    @property
    def is_asserted(self) -> bool:
        return self.at_most is not None or self.at_least is not None

    def bound(self) -> str:
        """Such as "at most 20"; nothing where it is only reported."""
        if self.at_most is not None and self.at_most == self.at_least:
            return f"{self.at_most:g}"
        told = [("at most", self.at_most), ("at least", self.at_least)]
        return " and ".join(f"{word} {value:g}" for word, value in told if value is not None)

    def row(self) -> Row:
        return {
            "figure": self.figure,
            "place": self.place,
            "attack": self.attack,
            "measure": self.measure,
            "value": f"{round(self.value, 2):g}" if abs(self.value) < 1e5 else f"{self.value:.0f}",
            "unit": self.unit,
            "bound": self.bound(),
            "held": ("yes" if self.held else "no") if self.is_asserted else "",
            "note": self.note,
        }
