"""Inner loops of narrow nets in machine code, for float32 on a CPU.

The time of a net of ten features goes into what surrounds its matrix products: every small
operation of a tensor library costs as much as the product itself, and every intermediate result
goes through memory. Here a tile of samples stays in the cache from the first coupling of a chain
to the last. numba compiles these functions on first use, and the machine code is kept on disk.

Nothing in this folder depends on the rest of the package; all but `threads` works on plain arrays.
"""
