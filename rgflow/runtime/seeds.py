"""Random streams as a function of what they are for, hence the same after a resume."""

import hashlib

import torch


def derived_seed(*parts: int | str) -> int:
    """One 63-bit seed for a tuple of names and numbers.

    Neighbouring tuples give unrelated seeds (unlike ``seed + rank + step``), and the value depends
    neither on the process nor on the platform.

    >>> derived_seed("order", 0, 1) == derived_seed("order", 0, 1)
    True
    >>> derived_seed("order", 0, 1) == derived_seed("order", 1, 0)
    False
    """
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_for(*parts: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator seeded with `derived_seed` of the parts.

    Args:
        parts: What the stream is for, and what it depends on: seed, process, step, ...
        device: Where the numbers are drawn; another device draws other numbers.

    >>> a, b = (torch.rand(1, generator=generator_for("step", 0, step)) for step in (5, 6))
    >>> bool(a == b)
    False
    """
    return torch.Generator(device).manual_seed(derived_seed(*parts))
