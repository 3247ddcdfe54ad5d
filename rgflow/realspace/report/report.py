"""Parts of a report: rows of numbers beside their exact values, and figures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Row(NamedTuple):
    """A number, its exact value and its standard error; None where one of them is not known."""

    quantity: str
    value: float
    exact: float | None = None
    error: float | None = None


class Section(NamedTuple):
    """A part of a report: rows, figures by the name of their file without suffix, and notes."""

    title: str
    rows: list[Row]
    figures: "dict[str, Figure]"
    notes: tuple[str, ...] = ()


def format_rows(title: str, rows: Sequence[Row], notes: Sequence[str] = ()) -> str:
    """Format rows as a table in plain text, with the notes below it.

    Args:
        title: Line above the table.
        rows: Rows of the table.
        notes: Lines below the table.

    >>> lines = format_rows("flow", [Row("nu", 1.0123, 1, 0.021)]).splitlines()
    >>> [line.split() for line in lines[1:]]
    [['value', 'exact', 'difference'], ['nu', '1.012', '±', '0.021', '1', '+1.2e-02']]
    """
    lines = [title, f"{'':<53} {'value':>20} {'exact':>12} {'difference':>11}"]
    for row in rows:
        value = f"{row.value:.8g}"
        if row.error is not None:
            digits = max(0, -int(f"{row.error:e}".split("e")[1]) + 1)
            value = f"{row.value:.{digits}f} ± {row.error:.{digits}f}"
        known = row.exact is not None
        exact = f"{row.exact:.8g}" if known else ""
        difference = f"{row.value - row.exact:+.1e}" if known else ""
        lines.append(f"  {row.quantity:<51} {value:>20} {exact:>12} {difference:>11}".rstrip())
    return "\n".join([*lines, *(f"  {note}" for note in notes)])
