"""Inner loops of narrow nets in machine code, for float32 on a CPU.

A net of ten features is bound by what surrounds its products: every small operation of a tensor
library costs as much as the product itself, and every intermediate result goes through memory.
Here a tile of samples stays in the cache from the first coupling of a chain to the last. It is
compiled by numba on first use and kept on disk.

Nothing in this folder knows tensors or the rest of the package.
"""
