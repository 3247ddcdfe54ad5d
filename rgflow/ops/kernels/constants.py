"""Constants of the rational-quadratic splines; this file needs no compiler."""

import math

MIN_BIN = 1e-3
"""Smallest width and height of a bin, as a fraction of the whole interval."""
MIN_SLOPE = 1e-3
"""Smallest slope at a knot."""
SHIFT = math.log(math.expm1(1 - MIN_SLOPE))
"""Argument of the softplus that gives the slope 1, together with the smallest slope."""
