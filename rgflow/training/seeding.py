"""Random numbers as a function of seed, rank and step, hence the same after a resume."""

import numpy as np
import torch


def step_generator(device: torch.device | str, *key: int) -> torch.Generator:
    """A generator seeded by a tuple of non-negative integers such as (seed, rank, step).

    Different tuples give unrelated streams (numpy's SeedSequence mixes them).

    Args:
        device: Where the numbers are drawn.
        key: What the stream depends on.

    Raises:
        ValueError: If an entry is negative.

    >>> a, b = (torch.rand(1, generator=step_generator("cpu", 0, 1, step)) for step in (5, 6))
    >>> bool(a == b)
    False
    """
    if min(key, default=0) < 0:
        raise ValueError(f"key: got {key}, expected integers >= 0")
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0]))
