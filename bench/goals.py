"""Goals of the benchmarks: what is measured, beside which baseline, and the bound."""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, Self

import attrs

from bench.probe import Table

ROUNDS: Final = 5
HEADING: Final = ("goal", "figure", "baseline", "ratio", "spread", "bound", "")


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(values)


@attrs.frozen
class Goal:
    """A goal, with the figures of the last run: one for each round, and the baseline's beside it.

    ``bound`` is the least value, or with ``at_most`` the greatest. The value of a round is the
    figure divided by the baseline; with ``is_ratio`` false it is the figure itself. The page has
    the goals with ``is_minor`` below the others.
    """

    name: str
    bound: float
    unit: str  # of the figures
    at_most: bool = False
    is_ratio: bool = True
    is_minor: bool = False
    figures: tuple[float, ...] = attrs.field(default=(), converter=_floats)
    baselines: tuple[float, ...] = attrs.field(default=(), converter=_floats)
    failure: str = ""  # why there are no figures

    def measured(self, figures: Iterable[float], baselines: Iterable[float] = ()) -> "Goal":
        """Return this goal with the figures of a run."""
        return attrs.evolve(self, figures=figures, baselines=baselines)

    def failed(self, why: str) -> "Goal":
        """Return this goal without figures."""
        return attrs.evolve(self, figures=(), baselines=(), failure=why)

    @property
    def values(self) -> tuple[float, ...]:
        """The value of each round."""
        if not self.is_ratio:
            return self.figures
        return tuple(own / other for own, other in zip(self.figures, self.baselines, strict=True))

    @property
    def value(self) -> float:
        """The median of the rounds, which counts."""
        return median(self.values)

    @property
    def is_met(self) -> bool:
        if not self.figures:
            return False
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    @property
    def verdict(self) -> str:
        if self.is_met:
            return "met"
        away = f" by {abs(self.value / self.bound - 1):.0%}" if self.figures else ""
        return f"MISSED{away}"

    @property
    def cells(self) -> tuple[str, ...]:
        """The goal's row of the table."""
        bound = f"{'≤' if self.at_most else '≥'} {short(self.bound)}"
        if not self.is_ratio:
            bound += f" {self.unit}"
        if not self.figures:
            return self.name, "", "", "", "", bound, f"FAILED: {self.failure}"
        figure = f"{short(median(self.figures))} {self.unit}"
        baseline = f"{short(median(self.baselines))} {self.unit}" if self.baselines else ""
        ratio = short(self.value) if self.is_ratio else ""
        spread = f"{short(min(self.values))} to {short(max(self.values))}"
        return self.name, figure, baseline, ratio, spread, bound, self.verdict

    @property
    def record(self) -> dict[str, Any]:
        """The goal as JSON; ``of`` reads it."""
        found = attrs.asdict(self)
        if self.figures:
            found |= {"value": self.value, "spread": [min(self.values), max(self.values)]}
            found |= {"figure": median(self.figures)}
            found["baseline"] = median(self.baselines) if self.baselines else None
        return found | {"is_met": self.is_met}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Return the goal of a record; what can be computed is not read."""
        return cls(**{field.name: record[field.name] for field in attrs.fields(cls)})


def short(value: float) -> str:
    """Return a number with three digits, or all digits before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table_of(goals: Iterable[Goal]) -> Table:
    """Return one row for each goal."""
    table = Table(*HEADING)
    for goal in goals:
        table.add(*goal.cells)
    return table


def parse(
    parser: argparse.ArgumentParser, quick: Mapping[str, object], words: Sequence[str] | None = None
) -> argparse.Namespace:
    """Parse a program's options, with those that all programs with goals have.

    ``quick`` has the values of options that make the run as short as possible.
    """
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help="smallest sizes: a test, no figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the goals there, too")
    options = parser.parse_args(words)
    if options.quick:
        vars(options).update({"rounds": 1} | dict(quick))
    return options


def report(goals: Sequence[Goal], options: argparse.Namespace) -> None:
    """Print a program's goals, and write them to the file of ``--json``."""
    table_of(goals).print()
    if options.json is not None:
        write(options.json, {"goals": [goal.record for goal in goals]})


def write(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
