"""One small chain of couplings for each transform and each conditioner.

A new transform is one row in TRANSFORMS, a new conditioner one row in CONDITIONERS.
"""

import torch
from support import perturbed
from torch import Tensor

from rgflow.bijectors import Affine, Coupling, CouplingChain, RationalQuadratic, Transform
from rgflow.conditioners import (
    MLP,
    ConvNet,
    Equivariant,
    PatchMLP,
    ResidualMLP,
    SeparateHeads,
)


class SinhArcsinh(Transform):
    """``f(b) = sinh(exp(s) arcsinh(b) + t)``: skews with t, makes tails heavier or lighter with s.

    Reference: Jones and Pewsey, Biometrika 96, 761 (2009).
    """

    parameters_per_entry = 2

    def forward(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        s, t = theta.tanh()
        u = s.exp() * b.asinh() + t
        return u.sinh(), s + u.cosh().log() - 0.5 * torch.log1p(b**2)

    def inverse(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        s, t = theta.tanh()
        x = ((b.asinh() - t) * torch.exp(-s)).sinh()
        return x, -self.forward(x, theta)[1]


TRANSFORMS = {
    "affine": lambda: Affine(1.5),
    "spline": lambda: RationalQuadratic(4, 1.5),
    "sinh_arcsinh": SinhArcsinh,
}
CONDITIONERS = {
    "mlp": lambda i, o: MLP(i, o, (4, 5), ("tanh", "elu")),
    "mlp_of_other_activations": lambda i, o: MLP(i, o, (4, 5, 4), ("silu", "gelu", "relu")),
    "linear": lambda i, o: MLP(i, o, ()),
    "residual": lambda i, o: ResidualMLP(i, o, hidden=5, blocks=2),
    "residual_with_entry": lambda i, o: ResidualMLP(i, o, width=4, hidden=5, blocks=1),
    "separate_heads": lambda i, o: SeparateHeads([MLP(i, o // 2, (4, 5)) for _ in range(2)]),
}
ON_A_LATTICE = {
    "patches": lambda i, o: PatchMLP(i, o, 3, (4,)),
    "sites": lambda i, o: PatchMLP(i, o, 1, (4,)),
    "conv": lambda i, o: ConvNet(i, o, hidden=4),
}
SPLIT = (4, 2)
LATTICE = (3, 4)


def make_chain(transform: str, conditioner: str, couplings: int = 3) -> CouplingChain:
    """Couplings that read either half in turn, with perturbed parameters in float64."""
    torch.manual_seed(0)
    lattice = LATTICE if conditioner in ON_A_LATTICE else ()
    make_net = {**CONDITIONERS, **ON_A_LATTICE}[conditioner]
    made = []
    for i in range(couplings):
        f = TRANSFORMS[transform]()
        net = make_net(SPLIT[i % 2], f.parameters_per_entry * SPLIT[1 - i % 2])
        made.append(Coupling(SPLIT, f, net, lattice, i % 2))
    return perturbed(CouplingChain(made), 0.2)


def make_equivariant_chain() -> CouplingChain:
    """A chain that commutes with the sign, for which only the nets have a faster way."""
    torch.manual_seed(0)
    nets = [Equivariant(MLP(SPLIT[i % 2], 2 * SPLIT[1 - i % 2], (4,), "tanh")) for i in range(3)]
    made = [Coupling(SPLIT, Affine(1.5), net, (), i % 2) for i, net in enumerate(nets)]
    return perturbed(CouplingChain(made), 0.2)


CHAINS = {
    f"{transform}-{conditioner}": lambda t=transform, c=conditioner: make_chain(t, c)
    for transform in TRANSFORMS
    for conditioner in (*CONDITIONERS, *ON_A_LATTICE)
} | {"affine-equivariant": make_equivariant_chain}


def random_halves(made: CouplingChain, samples: int = 7, dtype: torch.dtype = torch.float64):
    """Normal halves that want a gradient."""
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randn(samples, *n, generator=generator, dtype=dtype) for n in made.event_shape]
    return tuple(draw.requires_grad_() for draw in draws)


def some_loss(result):
    """A function of both images and of the log_det, all of whose derivatives are of order one."""
    (a, b), log_det = result
    weights = torch.linspace(-1, 1, len(log_det), dtype=log_det.dtype)
    return (
        (a.flatten(1).sin().sum(1) * weights).sum()
        + b.sin().pow(3).sum()
        + (log_det.cos() * weights).sum()
    )
