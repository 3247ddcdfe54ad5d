"""Reports as tables for a reader; as JSON they hold the same numbers and some more."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rgflow.evaluation.beside import lines_beside
from rgflow.evaluation.comparison import rows_by_name
from rgflow.evaluation.precision import precision_line
from rgflow.evaluation.summary import evaluation_summary, shown

Report = Mapping[str, Any]


def evaluation_table(report: Report) -> str:
    """The report on a flow of fields: observables beside Monte Carlo and exact, then the summary.

    Args:
        report: Of `rgflow.evaluation.fields.evaluate_energy`.
    """
    chains = rows_by_name(report, "reference_")
    titles = ["observable", "flow, reweighted", "Monte Carlo" if chains else "", "exact"]
    lines = [_line(*titles)]
    for name, row in rows_by_name(report).items():
        other = _shown(chains[name]) if name in chains else ""
        lines.append(_line(name, _shown(row), other, _exact(row)))
    return "\n".join([*lines, "", *_precision(report), evaluation_summary(report)])


def chains_table(report: Report) -> str:
    """The report on Monte-Carlo states: how they were drawn, observables with tau, and exact.

    Args:
        report: Of `rgflow.evaluation.fields.reference_report`.
    """
    about = [*_about_chains(report), *_precision(report)]
    return "\n".join([*about, "", *_rows_of_chains(report), *lines_beside(report)])


def _precision(report: Report) -> list[str]:
    return [precision_line(report["precision"])] if "precision" in report else []


def _about_chains(report: Report) -> Iterator[str]:
    energy = report["energy"]
    shape = " x ".join(map(str, energy["event_shape"]))
    yield (
        f"{energy['name']}, {shape}: {report['chains']} chains of {report['states']} states by "
        f"{report['method']} in {report['seconds']:.3g} s after {report['warmup_seconds']:.3g} s "
        "of warm-up"
    )
    if report["acceptance"] is not None:
        yield f"acceptance {report['acceptance']:.3g}"
    yield (
        f"autocorrelation time {report['tau']:.3g} states, "
        f"{report['independent_samples_per_second']:.4g} independent samples per second"
    )


def _rows_of_chains(report: Report) -> Iterator[str]:
    yield _line("observable", "Monte Carlo", "tau, states", "exact")
    for name, row in rows_by_name(report).items():
        tau = row.get("tau")
        yield _line(name, _shown(row), "" if tau is None else f"{tau:.3g}", _exact(row))


def images_table(report: Report) -> str:
    """The report on a flow of images: a line, and another one if images lie far above the others.

    Args:
        report: Of `rgflow.evaluation.images.evaluate_split`.
    """
    bits = shown(report["bits_per_dim"], report["standard_error"])
    text = f"{bits} bits per dim on the {report['images']} images of the {report['split']} split"
    if far := report.get("far_images"):
        rest = shown(report["without_them"], report["error_without_them"])
        text += (
            f"\nFar above the others: {_named(far)}, at most {report['worst']:.4g} bits per dim. "
            f"Without, the mean is {rest}; the median is {report['median']:.4g}."
        )
    return text


def _named(images: Sequence[int]) -> str:
    numbers = ", ".join(map(str, images[:5])) + (", ..." if len(images) > 5 else "")
    return f"{len(images)} image{'s' * (len(images) > 1)} (number {numbers})"


def _line(name: str, value: str, other: str, exact: str) -> str:
    return f"{name:<30}{value:>19}{other:>19}{exact:>11}".rstrip()


def _shown(row: Report) -> str:
    return shown(row["value"], row["error"])


def _exact(row: Report) -> str:
    return f"{row['exact']:.6g}" if row.get("exact") is not None else ""
