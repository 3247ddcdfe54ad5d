"""Time of our training step beside that of the published architectures, measured in one run.

The architectures are the small RG-Flow (arXiv:2010.00029) and the flow of NeuralRG's readme
(arXiv:1802.02840). They are written here as their papers describe them: every block layer gathers
its blocks from the full lattice and scatters them back, couplings select halves by masks, and
scale and shift have separate networks. The published programs themselves may be slower or faster.

python benchmarks/published.py [--out published.json] [--rounds 20]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from energy_speed import BATCH, readme_flow
from energy_speed import training_step as energy_step
from measure import interleaved_medians, machine, print_table, square_product, training_step
from speed import preset
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from rgflow import Flow
from rgflow.bijectors import Bijector, Chain, PixelLogit, dequantize
from rgflow.energies import Ising
from rgflow.hierarchy import checkerboard
from rgflow.priors import make_prior
from rgflow.runtime.allocator import keep_freed_memory
from rgflow.runtime.command_line import Parser
from rgflow.runtime.files import check_output
from rgflow.runtime.json_text import write_json

MakeNet = Callable[[int], nn.Module]


class Swish(nn.Module):
    """``x sigmoid(beta x)`` with a learnable slope beta."""

    def __init__(self) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function to every element."""
        return x * torch.sigmoid(self.beta * x)


class ResidualNet(nn.Module):
    """One pre-activation residual block with two hidden layers of width 64."""

    def __init__(self, features: int, hidden: int = 64) -> None:
        super().__init__()
        widths = (features, hidden, hidden, features)
        layers: list[nn.Module] = []
        for i in range(3):
            layers += [Swish(), weight_norm(nn.Linear(widths[i], widths[i + 1]))]
        self.block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """``(x + f(x)) / sqrt(2)``, ``(N, features)`` to the same shape."""
        return (x + self.block(x)) / 2**0.5


def perceptron(features: int, hidden: int = 10) -> nn.Module:
    """A network with three hidden layers of width 10 (tanh, elu, tanh)."""
    return nn.Sequential(
        nn.Linear(features, hidden),
        nn.Tanh(),
        nn.Linear(hidden, hidden),
        nn.ELU(),
        nn.Linear(hidden, hidden),
        nn.Tanh(),
        nn.Linear(hidden, features),
    )


class MaskedCoupling(Bijector):
    """``y = m x + (1 - m) (x exp(s(m x)) + t(m x))`` with a mask m and two networks s, t."""

    def __init__(self, mask: Tensor, make_net: MakeNet) -> None:
        super().__init__((len(mask),))
        self.register_buffer("mask", mask)
        self.scale_net, self.shift_net = make_net(len(mask)), make_net(len(mask))
        self.scale = nn.Parameter(torch.zeros(len(mask)))

    def _scale_and_shift(self, x: Tensor) -> tuple[Tensor, Tensor]:
        read, changed = self.mask * x, 1 - self.mask
        log_scale = self.scale * torch.tanh(self.scale_net(read))
        return changed * log_scale, changed * self.shift_net(read)

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = self._scale_and_shift(x)
        return x * log_scale.exp() + shift, log_scale.sum(-1)

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = self._scale_and_shift(z)
        return (z - shift) * torch.exp(-log_scale), -log_scale.sum(-1)


class GatheredLayer(Bijector):
    """One bijector for all blocks, which an index gathers from the full lattice."""

    def __init__(self, shape: tuple[int, int, int], index: Tensor, block: Bijector) -> None:
        super().__init__(shape)
        self.register_buffer("index", index)  # (blocks, K K), sites of the full lattice
        self.block = block

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._on_blocks(x, self.block)

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self._on_blocks(z, self.block.inverse)

    def _on_blocks(
        self, x: Tensor, function: Callable[[Tensor], tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        flat = x.flatten(2)
        blocks = flat[:, :, self.index].transpose(1, 2)  # (B, blocks, C, K K)
        y, log_det = function(blocks.flatten(0, 1).flatten(1))
        result = flat.clone()
        result[:, :, self.index] = y.view(blocks.shape).transpose(1, 2)
        return result.view(x.shape), log_det.view(len(x), -1).sum(1)


def block_sites(side: int, block: int, level: int, offset: int) -> Tensor:
    """Sites of each block on the sub-lattice of stride ``2**level``, ``(blocks, K K)``."""
    sites = torch.arange(side * side).view(side, side)[:: 2**level, :: 2**level]
    sites = sites.roll((offset, offset), (0, 1))
    return sites.unfold(0, block, block).unfold(1, block, block).reshape(-1, block * block)


def published_flow(
    shape: tuple[int, int, int], block: int, couplings: int, make_net: MakeNet, prior: str
) -> Flow:
    """Flow of levels with two block layers each, up to the level of one block.

    With three channels, a pixel map comes first.
    """
    channels, side, _ = shape
    odd = torch.tensor(checkerboard(block, 1)).flatten().repeat(channels).float()
    layers: list[Bijector] = []
    for level in range((side // block).bit_length()):
        for offset in (block // 2, 0):
            masks = (odd if i % 2 else 1 - odd for i in range(couplings))
            chain = Chain([MaskedCoupling(mask, make_net) for mask in masks])
            layers.append(GatheredLayer(shape, block_sites(side, block, level, offset), chain))
    core = Chain(([PixelLogit(shape)] if channels == 3 else []) + layers)
    return Flow(core, make_prior(prior, shape))


def image_steps() -> tuple[dict[str, Flow], dict[str, Callable[[], None]]]:
    """Flows and training steps of the small RG-Flow, trained by maximum likelihood."""
    ours, batch = preset("msds1_block_small")
    flows = {"ours": ours, "published": published_flow((3, 32, 32), 4, 4, ResidualNet, "laplace")}
    x = dequantize(torch.randint(256, (batch, 3, 32, 32), dtype=torch.uint8))
    return flows, {name: training_step(flow, x) for name, flow in flows.items()}


def field_steps(one_trunk: bool) -> tuple[dict[str, Flow], dict[str, Callable[[], None]]]:
    """Flows and training steps of NeuralRG's readme flow, trained by reverse KL.

    Our flow has separate networks for scale and shift, or one network for both.
    """
    flows = {
        "ours": readme_flow(16, one_trunk=one_trunk),
        "published": published_flow((1, 16, 16), 2, 10, perceptron, "gaussian"),
    }
    return flows, {name: energy_step(flow, Ising(16), BATCH) for name, flow in flows.items()}


CASES = {
    "RG-Flow small, L=32, batch 64": image_steps,
    "NeuralRG readme, L=16, batch 512": lambda: field_steps(one_trunk=False),
    "NeuralRG readme, ours with one trunk": lambda: field_steps(one_trunk=True),
}


def measure_case(name: str, rounds: int) -> dict[str, Any]:
    """Row of the table for one architecture."""
    torch.manual_seed(0)
    flows, steps = CASES[name]()
    times = interleaved_medians({**steps, "yardstick": square_product()}, rounds)
    parameters = {k: sum(p.numel() for p in flow.parameters()) for k, flow in flows.items()}
    return {
        "model": name,
        "parameters": parameters["ours"],
        "published": parameters["published"],
        "step ms": round(times["ours"], 1),
        "published step ms": round(times["published"], 1),
        "ratio": round(times["published"] / times["ours"], 2),
        "1024^3 product ms": round(times["yardstick"], 1),
    }


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", default="published.json")
    parser.add_argument("--rounds", type=int, default=20, help="timings of each step")
    args = parser.parse_args()
    check_output(args.out)
    keep_freed_memory()  # as training does
    rows = [measure_case(name, args.rounds) for name in CASES]
    print_table(rows)
    write_json(args.out, {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
