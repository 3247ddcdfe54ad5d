"""Checks for your own bijectors and energies: what they promise, or an AssertionError that says
what was got, where, and what was expected.

They work on copies in double precision and need no test framework. Bijectors are checked with
noise added to all parameters, as layers that start as the identity would pass any test.
"""

from rgflow.testing.bijectors import (
    assert_cones,
    assert_log_det,
    assert_round_trip,
    event_of,
    flat,
    perturbed,
    random_events,
)
from rgflow.testing.energies import assert_force, assert_symmetry

__all__ = [
    "assert_cones",
    "assert_force",
    "assert_log_det",
    "assert_round_trip",
    "assert_symmetry",
    "event_of",
    "flat",
    "perturbed",
    "random_events",
]
