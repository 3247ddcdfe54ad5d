"""Constants of the rational-quadratic splines; to import them does not import numba."""

import math

MIN_BIN = 1e-3
"""Smallest width and height of a bin, as a fraction of the whole interval."""
MIN_SLOPE = 1e-3
"""Smallest slope at a knot."""
SHIFT = math.log(math.expm1(1 - MIN_SLOPE))
"""Added to raw slopes: ``MIN_SLOPE + softplus(SHIFT) = 1``."""
