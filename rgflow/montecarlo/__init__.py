"""Monte Carlo: the baselines, and the chains that make a flow exact."""

from rgflow.montecarlo.blocking import block_field, block_spins
from rgflow.montecarlo.cluster import ClusterChains, swendsen_wang
from rgflow.montecarlo.embedded import embedded_clusters
from rgflow.montecarlo.hmc import HMCChains, hmc
from rgflow.montecarlo.hybrid import hybrid_chains
from rgflow.montecarlo.latent import LatentTarget, latent_hmc
from rgflow.montecarlo.metropolis import IndependenceChains, independence_metropolis
from rgflow.montecarlo.target import Target

__all__ = [
    "ClusterChains",
    "HMCChains",
    "IndependenceChains",
    "LatentTarget",
    "Target",
    "block_field",
    "block_spins",
    "embedded_clusters",
    "hmc",
    "hybrid_chains",
    "independence_metropolis",
    "latent_hmc",
    "swendsen_wang",
]
