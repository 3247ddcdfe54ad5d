"""What a storm does to files, to states of training and to energies."""

from __future__ import annotations

import os
import random
import resource
import signal
from typing import Any

import torch
from torch import Tensor


def flip(content: bytes, generator: random.Random) -> bytes:
    """One bit changed, anywhere."""
    changed = bytearray(content)
    changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
    return bytes(changed)


def truncate(content: bytes, generator: random.Random) -> bytes:
    """The end cut off, anywhere."""
    return content[: generator.randrange(len(content))]


def largest_file(size: int) -> None:
    """From now on this process can write no file beyond a size, as after ``ulimit -f``."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _moments(content: dict[str, Any], number: int = 0) -> dict[str, Tensor]:
    return content["optimizer_states"][0]["state"][number]


def _group(content: dict[str, Any]) -> dict[str, Any]:
    return content["optimizer_states"][0]["param_groups"][0]


EDITS = (
    lambda c: _moments(c).update(exp_avg=torch.zeros(3)),
    lambda c: _moments(c, 1).update(exp_avg_sq=torch.zeros(2, 2, 2)),
    lambda c: _moments(c, 2).pop("exp_avg"),
    lambda c: _moments(c)["exp_avg"].fill_(torch.nan),
    lambda c: _moments(c, 1)["exp_avg_sq"].fill_(torch.inf),
    lambda c: _moments(c)["step"].fill_(1e9),
    lambda c: _group(c).update(lr="abc"),
    lambda c: _group(c).update(lr=torch.nan),
    lambda c: _group(c).update(lr=1e30),
    lambda c: _group(c).update(betas=None),
    lambda c: c["loops"].update(fit_loop={"x": 1}),
    lambda c: c["lr_schedulers"][0].update(last_epoch=10**9),
    lambda c: c["averaging_state"]["n_averaged"].fill_(-10),
    lambda c: c.update(global_step=c["global_step"] + 1),
    lambda c: c.pop("optimizer_states"),
    lambda c: next(iter(c["state_dict"].values())).fill_(torch.nan),
    lambda c: c["current_model_state"].popitem(),
    lambda c: c.update(nonfinite="no"),
)
"""Changes of a checkpoint after which no training can go on from it."""


class Wells:
    """Two wells at each site, on a lattice of 4 x 4."""

    event_shape = (1, 4, 4)

    def energy(self, x: Tensor) -> Tensor:
        """``sum_i (x_i^2 - 1)^2 + sum_<ij> (x_i - x_j)^2``, ``(B, 1, 4, 4) -> (B,)``."""
        bonds = (x - x.roll(1, -1)) ** 2 + (x - x.roll(1, -2)) ** 2
        return ((x**2 - 1) ** 2 + bonds).sum((1, 2, 3))


class Holes(Wells):
    """NaN for a few of the fields of a batch of training, once in a while."""

    value = torch.nan

    def energy(self, x: Tensor) -> Tensor:
        """That of the wells, with holes."""
        energy = super().energy(x)
        is_hole = (torch.rand(len(x)) < 0.02) & (len(x) == 16)
        return torch.where(is_hole, self.value, energy)


class Peaks(Holes):
    """Infinite in place of NaN."""

    value = torch.inf


class Wall(Wells):
    """Infinite for each field of a batch of training that goes beyond 1.5 anywhere."""

    def energy(self, x: Tensor) -> Tensor:
        """That of the wells, with a wall."""
        is_beyond = (x.flatten(1).amax(1) > 1.5) & (len(x) == 16)
        return torch.where(is_beyond, torch.inf, super().energy(x))


class Mortal(Wells):
    """Kills the second process of a run in its sixth step."""

    steps = 0

    def energy(self, x: Tensor) -> Tensor:
        """That of the wells."""
        self.steps += len(x) == 16
        if self.steps > 5 and os.environ.get("LOCAL_RANK") == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().energy(x)
