"""What a benchmark prints: each figure as a JSON line, then all of them as a table."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number, and what it is held against; `ratio` is `value` over `against`."""

    bench: str
    case: str
    value: float
    unit: str
    against: float | None = None
    ratio: float | None = None


def show(figures: Iterable[Figure]) -> None:
    """Print each figure as it comes, one JSON object a line, and a table at the end."""
    seen: list[Figure] = []
    for figure in figures:
        print(json.dumps(asdict(figure)), flush=True)
        seen.append(figure)
    table = Table("bench", "case", "value", "unit", "against", "ratio")
    for figure in seen:
        table.add_row(
            figure.bench,
            figure.case,
            f"{figure.value:.4g}",
            figure.unit,
            "" if figure.against is None else f"{figure.against:.4g}",
            "" if figure.ratio is None else f"{figure.ratio:.3g}",
        )
    Console().print(table)
