"""The parts of the report that are computed exactly, without Monte-Carlo samples."""

from collections.abc import Sequence

import numpy as np
import torch

from rgflow.energies.exact import CRITICAL_COUPLING
from rgflow.realspace.block_variable.environment import environment_mutual_information
from rgflow.realspace.block_variable.fit import Fit, fit_coinciding, fit_rbm, gradient_descent
from rgflow.realspace.coupling_map.coupling_flow import (
    UNIFORM_BETA,
    beta_of_fixed_point,
    coupling_weight,
    fixed_point,
    linearised_flow,
    renormalized_coupling,
)
from rgflow.realspace.coupling_map.marginal import block_couplings, block_flow, renormalize
from rgflow.realspace.coupling_map.scaling import correlation_length, trajectory
from rgflow.realspace.experiments.decoy import decoy_experiment, switching_beta
from rgflow.realspace.experiments.one_spin_copy import copy_advantage, uniform_limit
from rgflow.realspace.model.block_geometry import CHAIN, PLAQUETTE, SQUARE
from rgflow.realspace.model.rbm import rbm_joint_log_prob
from rgflow.realspace.model.table_information import pair_information, total_correlation
from rgflow.realspace.report import exact_figures as figures
from rgflow.realspace.report.report import Row, Section

# coupling J, weight w, divergence in nats and J', from 50-digit arithmetic
PLAQUETTE_VALUES = (
    (0.1, 0.27727506688126833, 0.0053416036056449656, 0.073236662593512336),
    (0.3, 0.55484497647117036, 0.031688862386860012, 0.25985485686794357),
    (0.6, 0.98696901276871104, 0.067798051565373699, 0.64995134296579266),
    (1.0, 1.6859469442237050, 0.055971600317171393, 1.3399620952044798),
)
FIXED_POINT, SLOPE, EXPONENT = 0.48626107952566720, 1.35679655025268, 1.13583597119585

PLATEAU = (200, 400)
"""First and last step of the gradient descent in which all hidden units share one feature."""


def rbm_section(generator: torch.Generator) -> Section:
    """The trained RBM against the root of ``dL/dw`` and exact values, for four couplings."""
    rows = []
    for J, weight, divergence, renormalized in PLAQUETTE_VALUES:
        start = torch.randn(4, 1, generator=generator, dtype=torch.float64)
        fit = fit_rbm(PLAQUETTE.log_prob(J), start)
        rows += [
            Row(f"J = {J}: w by the root finder", coupling_weight(J), weight),
            Row("  w trained from a random start, mean", fit.weights.mean().item(), weight),
            Row("  norm of the gradient there", fit.gradient_norm),
            Row("  KL divergence (nats)", fit.divergence, divergence),
            Row("  J'", renormalized_coupling(J), renormalized),
        ]
    return Section("RBM on one plaquette", rows, {})


def hidden_units_section(generator: torch.Generator, J: float = 0.6, starts: int = 3) -> Section:
    """The features of several hidden units, during gradient descent and at the best fit."""
    law, units = PLAQUETTE.log_prob(J), [1, 2, 3, 4]
    start = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    descent = gradient_descent(law, 1e-3 * start)
    plateau = (descent.steps >= PLATEAU[0]) & (descent.steps <= PLATEAU[1])
    on_plateau = descent.cosine_similarity[plateau].min().item()
    coinciding = [fit_coinciding(law, n) for n in units]
    free = [_best_fit(law, n, generator, starts) for n in units]
    steps = "steps {} to {}".format(*PLATEAU)
    rows = [Row(f"3 units from small weights: least |cosine|, {steps}", on_plateau, 1.0)]
    rows.append(Row("  |cosine| at the end", descent.cosine_similarity[-1].item()))
    for n, shared, best in zip(units, coinciding, free, strict=True):
        rows.append(Row(f"{n} hidden: KL divergence with one feature (nats)", shared.divergence))
        kind = "minimum" if best.converged else "limit, no minimum"
        exact = 0.0 if n > 1 else coinciding[0].divergence
        rows.append(Row(f"  KL divergence, free weights: {kind}", best.divergence, exact))
        rows.append(Row("  largest |weight|", best.weights.abs().max().item()))
    two = block_couplings(PLAQUETTE, coinciding[1].weights)
    rows += [
        Row("2 units, one feature: J' to a unit of the next block", two[1, 1][0, 0].item()),
        Row("  coupling of both units of a block", two[0, 0][0, 1].item()),
        # the units copy two opposite spins and couple to the other two with the bare coupling
        Row("2 units, free: |weight| on the other two spins", _smallest_weights(free[1]), J),
    ]
    notes = (
        "One shared feature is a saddle for two units or more. J' leaves out products of 4 units.",
        "Two free units have no minimum: they tend to copies of two opposite spins (decimation).",
    )
    divergences = [fit.divergence for fit in coinciding]
    picture = figures.hidden_units_figure(descent, units, divergences, free)
    return Section(f"Several hidden units, J = {J}", rows, {"hidden_units": picture}, notes)


def causal_section() -> Section:
    """The mutual information of pairs of spins, without and given the block variable."""
    law = PLAQUETTE.log_prob(CRITICAL_COUPLING)[:, None]
    weights = torch.full((4, 1), coupling_weight(CRITICAL_COUPLING), dtype=torch.float64)
    joint = rbm_joint_log_prob(weights)
    laws = {
        "model: I(i : j)": law,
        "RBM: I(i : j)": joint.logsumexp(1, keepdim=True),
        "RBM: I(i : j | t)": joint,
        # P_loc(s) P_RBM(t | s)
        "model, t of the RBM:\nI(i : j | t)": law + joint - joint.logsumexp(1, keepdim=True),
    }
    tables = {name: pair_information(log_joint) for name, log_joint in laws.items()}
    off_diagonal = ~torch.eye(4, dtype=torch.bool)
    rows = []
    for (name, log_joint), exact in zip(laws.items(), (None, None, 0.0, None), strict=True):
        label = " ".join(name.split())
        rows += [
            Row(f"{label}, largest (nats)", tables[name][off_diagonal].max().item(), exact),
            Row(
                "  total correlation of the four spins (nats)",
                total_correlation(log_joint).item(),
                exact,
            ),
        ]
    return Section(
        "Spins given the block variable", rows, {"causal": figures.causal_figure(tables)}
    )


def flow_section() -> Section:
    """The flow of the coupling, its fixed points and exponents, for several blocks."""
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
    notes = (
        "The slope 1.3568525 (nu 1.1356826) that is sometimes quoted is a forward difference with",
        "a step of 7.5e-5. The derivative is 1.3567966 (nu 1.1358360), by 40-digit arithmetic.",
        "3x3 blocks: the coupling to diagonal neighbours is left out.",
    )
    return Section("Flow of the coupling", rows, pictures, notes)


def information_section() -> Section:
    """The mutual information with the environment, and its effect on the flow."""
    exact_beta = beta_of_fixed_point(CRITICAL_COUPLING)
    at_exact = linearised_flow(exact_beta)
    gain = -copy_advantage(CRITICAL_COUPLING, 3.0)
    rows = [
        Row(
            "I(J = 0.5, w = 1) (nats)",
            environment_mutual_information(0.5, 1.0).item(),
            0.365794042748978,  # sum over all 2**16 states
        ),
        Row("beta at which J* is exact", exact_beta),
        Row("  J* there", at_exact.fixed_point, CRITICAL_COUPLING),
        Row("  nu there", at_exact.exponent, 1.0),
        Row("beta above which a copy of one spin is better at J*", UNIFORM_BETA),
        Row("  J* at that beta", fixed_point(UNIFORM_BETA)),
        Row("  the same beta for J = 0.1 instead of J*", uniform_limit(0.1)),
        Row("  loss of copy - uniform, critical J, beta 3 (nats)", gain),
    ]
    betas = np.linspace(0, 0.4, 17).tolist()
    flows = [linearised_flow(beta) for beta in betas]
    picture = figures.beta_figure(betas, flows, exact_beta)
    return Section("Mutual information with the environment", rows, {"beta": picture})


def decoy_section(
    generator: torch.Generator,
    decoy: float = 1.0,
    decoys: Sequence[float] = (0.5, 0.6, 0.8, 1.0, 1.4, 2.0),
    betas: Sequence[float] = (0.0, 1.0, 2.0, 2.5, 3.0, 3.5, 4.5, 6.0),
) -> Section:
    """Block variables learned beside a decoy, a strongly coupled plaquette of noise spins.

    Args:
        generator: Random numbers of the random starts.
        decoy: Coupling of the noise for which weights are shown.
        decoys: Couplings of the noise for which the switching beta is shown.
        betas: Weights of the mutual information, beside two values next to the switching beta.
    """
    switches = [switching_beta(CRITICAL_COUPLING, coupling) for coupling in decoys]
    rows = [
        Row(f"decoy {coupling}: beta above which spins are learned", switch)
        for coupling, switch in zip(decoys, switches, strict=True)
        if coupling in (0.6, decoy, decoys[-1])
    ]
    switch = switching_beta(CRITICAL_COUPLING, decoy)
    betas = sorted([*betas, switch - 0.02, switch + 0.02])
    choices = decoy_experiment(CRITICAL_COUPLING, decoy, betas, generator, random_starts=1)
    for beta, choice in zip(betas, choices, strict=True):
        share = round(choice.share_of_spins, 12)  # removes rounding errors
        rows += [
            Row(f"decoy {decoy}, beta = {beta:.4g}: share of spins", share),
            Row("  KL divergence (nats)", choice.divergence),
            Row("  information on the environment (nats)", round(choice.information, 12)),
        ]
    picture = figures.decoy_figure(betas, choices, switch, decoys, switches)
    notes = ("Just below the switching beta the weights on the spins are small, but not zero.",)
    title = "Decoys beside spins at the critical coupling"
    return Section(title, rows, {"decoy": picture}, notes)


def _best_fit(law: torch.Tensor, hidden: int, generator: torch.Generator, starts: int) -> Fit:
    """The fit of smallest divergence from several random starts."""
    weights = torch.randn(starts, 4, hidden, generator=generator, dtype=torch.float64)
    return min((fit_rbm(law, start) for start in weights), key=lambda fit: fit.divergence)


def _smallest_weights(fit: Fit) -> float:
    """Mean modulus of the weights of two units on the two spins of smallest total weight."""
    return fit.weights.abs().sum(1).topk(2, largest=False).values.mean().item() / 2
