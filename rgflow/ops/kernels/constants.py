"""Constants of the rational-quadratic splines, which need no compiler."""

import math

MIN_BIN = 1e-3  # smallest bin, as a fraction of the whole interval
MIN_SLOPE = 1e-3
SHIFT = math.log(math.expm1(1 - MIN_SLOPE))  # softplus of it is the slope of the identity
