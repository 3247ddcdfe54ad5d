"""The parts of the report that need no samples."""

import numpy as np
import torch

from rgflow.realspace import exact_figures as figures
from rgflow.realspace.block_geometry import CHAIN, PLAQUETTE, SQUARE
from rgflow.realspace.coupling_flow import (
    CRITICAL_COUPLING,
    beta_of_fixed_point,
    coupling_weight,
    linearised_flow,
    renormalized_coupling,
)
from rgflow.realspace.cutoff import cutoff_expansion, cutoff_sum, schemes
from rgflow.realspace.decoy import decoy_experiment, switching_beta
from rgflow.realspace.environment import environment_mutual_information
from rgflow.realspace.fit import fit_coinciding, fit_rbm, learn
from rgflow.realspace.marginal import block_flow, renormalize
from rgflow.realspace.rbm import rbm_joint_log_prob
from rgflow.realspace.report import Row, Section
from rgflow.realspace.sampling_figures import smearing_figure
from rgflow.realspace.scaling import correlation_length, trajectory
from rgflow.realspace.smearing import kadanoff, smearing_kernel, wilson
from rgflow.realspace.table_information import pair_information

# coupling, weight, divergence, J': from 50-digit arithmetic, to double precision
PLAQUETTE_VALUES = (
    (0.1, 0.27727506688126833, 0.0053416036056449656, 0.073236662593512336),
    (0.3, 0.55484497647117036, 0.031688862386860012, 0.25985485686794357),
    (0.6, 0.98696901276871104, 0.067798051565373699, 0.64995134296579266),
    (1.0, 1.6859469442237050, 0.055971600317171393, 1.3399620952044798),
)
FIXED_POINT, SLOPE, EXPONENT = 0.48626107952566720, 1.35679655025268, 1.13583597119585
# N^2, N^-2 and N^-4 in the cut-off sums: the integral of x eta(x), eta''(0)/240, -eta''''(0)/6048
CUTOFF_VALUES = {
    "exp(-x)": (1.0, 1 / 240, -1 / 6048),
    "1/(x^2+1)^2": (1 / 2, -1 / 60, -1 / 84),
    "1/(x^4+1)": (np.pi / 4, 0.0, 1 / 252),
}


def machine_section(generator: torch.Generator) -> Section:
    """The trained machine against the root finder, on the lecture's table of couplings."""
    rows = []
    for J, weight, divergence, renormalized in PLAQUETTE_VALUES:
        start = torch.randn(4, 1, generator=generator, dtype=torch.float64)
        fit = fit_rbm(PLAQUETTE.log_prob(J), start)
        rows += [
            Row(f"J = {J}: w by the root finder", coupling_weight(J), weight),
            Row("  w trained from a random start, mean", fit.weights.mean().item(), weight),
            Row("  norm of the gradient there", fit.gradient_norm),
            Row("  divergence (nats)", fit.divergence, divergence),
            Row("  J'", renormalized_coupling(J), renormalized),
        ]
    return Section("Machine on one plaquette", rows, {})


def hidden_units_section(generator: torch.Generator, J: float = 0.6) -> Section:
    """What several hidden units learn on the way and in the end."""
    law, units = PLAQUETTE.log_prob(J), [1, 2, 3, 4]
    start = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    learning = learn(law, 1e-3 * start)
    plateau = learning.likeness[15:60].max().item()
    coinciding = [fit_coinciding(law, n).divergence for n in units]
    free = [_best_divergence(law, n, generator) for n in units]
    rows = [Row("3 units from small weights: |cosine| on the plateau", plateau, 1.0)]
    rows.append(Row("  |cosine| at the end", learning.likeness[-1].item()))
    for n, shared, best in zip(units, coinciding, free, strict=True):
        rows.append(Row(f"{n} hidden: divergence with one feature (nats)", shared))
        rows.append(
            Row("  divergence at the minimum (nats)", best, 0.0 if n > 1 else coinciding[0])
        )
    picture = figures.hidden_units_figure(learning, units, coinciding, free)
    return Section(f"Several hidden units, J = {J}", rows, {"hidden_units": picture})


def causal_section() -> Section:
    """Spins become independent given the block variable."""
    law = PLAQUETTE.log_prob(CRITICAL_COUPLING)[:, None]
    weights = torch.full((4, 1), coupling_weight(CRITICAL_COUPLING), dtype=torch.float64)
    joint = rbm_joint_log_prob(weights)
    given = law + joint - joint.logsumexp(1, keepdim=True)  # P_loc(s) P_RBM(t | s)
    tables = {
        "model: I(i : j)": pair_information(law),
        "machine: I(i : j)": pair_information(joint.logsumexp(1, keepdim=True)),
        "machine: I(i : j | t)": pair_information(joint),
        "model, t of the machine:\nI(i : j | t)": pair_information(given),
    }
    apart = ~torch.eye(4, dtype=torch.bool)
    rows = [
        Row(f"{' '.join(name.split())}, largest (nats)", table[apart].max().item(), exact)
        for (name, table), exact in zip(tables.items(), (None, None, 0.0, None), strict=True)
    ]
    return Section(
        "Spins given the block variable", rows, {"causal": figures.causal_figure(tables)}
    )


def flow_section() -> Section:
    """Flow, fixed points and exponents, of plaquettes and of other blocks."""
    flow, square = linearised_flow(), block_flow(SQUARE)
    J = 0.7
    rows = [
        Row("fixed point J*", flow.fixed_point, FIXED_POINT),
        Row("slope dJ'/dJ at J*", flow.slope, SLOPE),
        Row("nu", flow.exponent, EXPONENT),
        Row("  solver's error of nu", flow.error),
        Row("J* against the exact critical coupling", flow.fixed_point, CRITICAL_COUPLING),
        Row("nu against the exact exponent", flow.exponent, 1.0),
        Row("3x3 blocks: J*", square.fixed_point, CRITICAL_COUPLING),
        Row("3x3 blocks: nu", square.exponent, 1.0),
        Row("chain: J'(0.7)", renormalize(CHAIN, J).coupling, float(np.log(np.cosh(2 * J)) / 2)),
    ]
    distance = np.geomspace(1e-7, 1e-1, 60)
    above, below = (
        [correlation_length(flow.fixed_point + sign * d) for d in distance] for sign in (1, -1)
    )
    near = distance < 1e-3
    for side, xi in (("ordered", above), ("disordered", below)):
        fit, covariance = np.polyfit(
            np.log(distance[near]), np.log(np.array(xi)[near]), 1, cov=True
        )
        rows.append(
            Row(f"nu fitted to xi, {side} side", -fit[0], EXPONENT, covariance[0, 0] ** 0.5)
        )
    couplings = np.linspace(0, 0.8, 81).tolist()
    curve = [renormalized_coupling(J) for J in couplings]
    steps = [trajectory(J, n) for J, n in ((0.45, 14), (0.52, 5))]
    pictures = {
        "flow": figures.flow_figure(couplings, curve, steps),
        "correlation_length": figures.scaling_figure(distance, above, below, flow.exponent),
    }
    return Section("Flow of the coupling", rows, pictures)


def information_section() -> Section:
    """The mutual information with the environment, and what it does to the flow."""
    exact_beta = beta_of_fixed_point(CRITICAL_COUPLING)
    at_exact = linearised_flow(exact_beta)
    rows = [
        Row(
            "I(J = 0.5, w = 1) (nats)",
            environment_mutual_information(0.5, 1.0).item(),
            0.365794042748978,  # by a table of all 2**16 states
        ),
        Row("beta at which J* is exact", exact_beta),
        Row("  J* there", at_exact.fixed_point, CRITICAL_COUPLING),
        Row("  nu there", at_exact.exponent, 1.0),
    ]
    betas = np.linspace(0, 0.4, 33).tolist()
    flows = [linearised_flow(beta) for beta in betas]
    picture = figures.beta_figure(betas, flows, exact_beta)
    return Section("Mutual information with the environment", rows, {"beta": picture})


def decoy_section(generator: torch.Generator, decoy: float = 0.6) -> Section:
    """A strongly coupled plaquette of noise beside the spins."""
    betas = (0.0, 0.5, 1.0, 1.2, 1.25, 1.5, 2.0, 3.0)
    choices = decoy_experiment(CRITICAL_COUPLING, decoy, betas, generator)
    switch = switching_beta(CRITICAL_COUPLING, decoy)
    rows = [Row("beta from which on the spins are picked", switch)]
    for beta, choice in zip(betas, choices, strict=True):
        rows += [
            # what is left of rounding errors is no news
            Row(f"beta = {beta}: share of spins", round(choice.share_of_spins, 12)),
            Row("  divergence (nats)", choice.divergence),
            Row("  information with the environment (nats)", round(choice.information, 12)),
        ]
    title = f"Decoy of coupling {decoy} beside spins at the critical coupling"
    return Section(title, rows, {"decoy": figures.decoy_figure(betas, choices, switch)})


def cutoff_section(generator: torch.Generator) -> Section:
    """Cut-off sums, and smearing in momentum and in real space."""
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
        "cutoff": figures.cutoff_figure(sizes, constants),
        "smearing": smearing_figure(field, kernel, cut, smeared),
    }
    return Section("Cut-off sums", rows, pictures)


def _best_divergence(law: torch.Tensor, hidden: int, generator: torch.Generator) -> float:
    """The smallest of a few random starts."""
    starts = torch.randn(4, 4, hidden, generator=generator, dtype=torch.float64)
    return min(fit_rbm(law, start).divergence for start in starts)
