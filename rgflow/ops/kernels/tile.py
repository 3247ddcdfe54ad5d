"""How many samples are worked on at once: few enough for the cache, many enough for a loop."""

from __future__ import annotations

TILE = 512
ROW = TILE + 16  # rows a power of two apart would share few places in the cache
