"""The part of the report on cut-offs of sums, of Fourier modes and in real space."""

import numpy as np
import torch

from rgflow.realspace.cutoff.cutoff import cutoff_expansion, cutoff_sum, schemes
from rgflow.realspace.cutoff.smearing import kadanoff, smearing_kernel, wilson
from rgflow.realspace.report.exact_figures import cutoff_figure
from rgflow.realspace.report.report import Row, Section
from rgflow.realspace.report.sampling_figures import smearing_figure

# coefficients of N^2, N^-2, N^-4: the integral of x eta(x), eta''(0) / 240, -eta''''(0) / 6048
CUTOFF_VALUES = {
    "exp(-x)": (1.0, 1 / 240, -1 / 6048),
    "1/(x^2+1)^2": (1 / 2, -1 / 60, -1 / 84),
    "1/(x^4+1)": (np.pi / 4, 0.0, 1 / 252),
}


def cutoff_section(generator: torch.Generator) -> Section:
    """Cut-off sums, and Wilson's cut-off beside Kadanoff's smearing of a random field."""
    sizes, rows, constants = [1, 2, 4, 8, 16, 32], [], {}
    for name, eta in schemes().items():
        expansion = cutoff_expansion(eta)
        quadratic, second, fourth = CUTOFF_VALUES[name]
        rows += [
            Row(f"{name}: constant", expansion.constant, -1 / 12),
            Row("  coefficient of N^2", expansion.quadratic, quadratic),
            Row("  coefficient of N^-2", expansion.second, second),
            Row("  coefficient of N^-4", expansion.fourth, fourth),
        ]
        constants[name] = [float(cutoff_sum(eta, N)) - expansion.quadratic * N**2 for N in sizes]
    field = torch.randn(48, 48, generator=generator, dtype=torch.float64)

    def gaussian(x: torch.Tensor) -> torch.Tensor:
        return torch.exp(-x * x)

    cut, smeared = wilson(field, gaussian, 0.8), kadanoff(field, gaussian, 0.8)
    rows.append(Row("largest |Wilson - Kadanoff|", (cut - smeared).abs().max().item(), 0.0))
    kernel = smearing_kernel(48, 48, gaussian, 0.8, field)
    pictures = {
        "cutoff": cutoff_figure(sizes, constants),
        "smearing": smearing_figure(field, kernel, cut, smeared),
    }
    return Section("Cut-off sums", rows, pictures)
