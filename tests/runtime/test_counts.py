import numpy as np
import pytest
import torch
from gaussian_target import seeded

from rgflow import Flow
from rgflow.bijectors import ElementwiseAffine
from rgflow.energies import GaussianField, Phi4
from rgflow.energies.exact import ising_log_z
from rgflow.models import BlockLevels, BlockNet, ConvLevels, block_flow, conv_flow
from rgflow.montecarlo import hmc, independence_metropolis, swendsen_wang
from rgflow.montecarlo.reference import reference_samples
from rgflow.montecarlo.weighted import weighted_samples
from rgflow.priors import Gaussian

FIELD = GaussianField(4, 1.0)
FLOW = Flow(ElementwiseAffine((1, 4, 4)), Gaussian((1, 4, 4)))
START = torch.zeros(2, 1, 4, 4)

CALLS = {
    "sample": lambda n: FLOW.sample(n),
    "sample_and_log_prob": lambda n: FLOW.sample_and_log_prob(n),
    "prior": lambda n: Gaussian((n, n)).sample(n),
    "energy": lambda n: Phi4(n, 1.0, 1.0),
    "scaled": lambda n: GaussianField(n, 1.0).sample(n, seeded()),
    "exact": lambda n: ising_log_z(n, n, 0.3),
    "bijector": lambda n: ElementwiseAffine((n, n, n)),
    "conv": lambda n: conv_flow(n, n, ConvLevels(couplings=n, hidden=(n, n))),
    "block": lambda n: block_flow(n, n, BlockLevels(n, (n, n)), BlockNet("mlp", hidden=(n,))),
    "hmc": lambda n: hmc(
        FIELD, START, steps=n, warmup=n, leapfrog_steps=n, thin=n, generator=seeded()
    ),
    "metropolis": lambda n: independence_metropolis(
        FLOW, FIELD, steps=n, chains=n, warmup=n, batch_size=n, generator=seeded()
    ),
    "clusters": lambda n: swendsen_wang(
        n, n, 0.3, sweeps=n, chains=n, warmup=n, thin=n, generator=seeded()
    ),
    "reference": lambda n: reference_samples(FIELD, chains=n, states=n, seed=n),
    "weighted": lambda n: weighted_samples(FLOW, FIELD, n, batch_size=n, generator=seeded()),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_integers_of_numpy_are_counts_and_nothing_else_is(call):
    made = call(np.int64(4))
    if hasattr(made, "event_shape"):
        assert all(type(n) is int for n in made.event_shape)
    for wrong in (4.0, True, np.float64(4), np.bool_(True), "4", None):
        with pytest.raises(ValueError, match=r"expected (an integer|integers)"):
            call(wrong)
