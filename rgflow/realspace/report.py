"""What a report is made of: numbers beside exact ones, and figures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Row(NamedTuple):
    """A number, what it should be, and its error; None where there is none."""

    quantity: str
    value: float
    exact: float | None = None
    error: float | None = None


class Section(NamedTuple):
    """A part of a report; figures by the name of their file without suffix."""

    title: str
    rows: list[Row]
    figures: "dict[str, Figure]"


def format_rows(title: str, rows: Sequence[Row]) -> str:
    """A table in plain text, one line for each row.

    >>> print(format_rows("flow", [Row("J*", 0.48626108, 0.4406868), Row("nu", 1.01, 1, 0.02)]))
    flow                                                        value        exact  difference
      J*                                                   0.48626108    0.4406868     +4.6e-02
      nu                                                  1.010 ± 0.020            1     +1.0e-02
    """
    lines = [f"{title:<52} {'value':>20} {'exact':>12} {'difference':>12}"]
    for row in rows:
        value = f"{row.value:.8g}"
        if row.error is not None:
            digits = max(0, -int(f"{row.error:e}".split("e")[1]) + 1)
            value = f"{row.value:.{digits}f} ± {row.error:.{digits}f}"
        known = row.exact is not None
        exact = f"{row.exact:.8g}" if known else ""
        difference = f"{row.value - row.exact:+.1e}" if known else ""
        lines.append(f"  {row.quantity:<50} {value:>20} {exact:>12} {difference:>12}".rstrip())
    return "\n".join(lines)
