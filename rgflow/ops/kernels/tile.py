"""Number of samples in a tile: few enough for the cache, many enough for fast loops."""

from __future__ import annotations

TILE = 512
ROW = TILE + 16  # rows a power of two apart would map to few places in the cache
