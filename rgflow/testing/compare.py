"""What all checks share: how many events they draw, and how they say what is wrong."""

from torch import Tensor

SAMPLES = 4
"""Events in the random batch of a check."""


def compare(
    got: Tensor, expected: Tensor, absolute: float, relative: float, what: str, wanted: str
) -> None:
    """Raises AssertionError at the first entry that is off by more than both, or not a number."""
    if got.shape != expected.shape:
        raise AssertionError(
            f"{what}: got the shape {tuple(got.shape)}, expected {tuple(expected.shape)}"
        )
    got, expected = got.detach(), expected.detach()
    wrong = ~((got - expected).abs() <= (relative * expected.abs()).clamp_min(absolute))
    if wrong.any():
        sample, *entry = place = tuple(wrong.nonzero()[0].tolist())
        at = f"sample {sample}" + (f", entry {entry}" if entry else "")
        raise AssertionError(
            f"{what}: got {float(got[place]):.10g} at {at}, expected {float(expected[place]):.10g}"
            f", {wanted}"
        )
