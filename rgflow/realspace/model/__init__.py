"""The blocks of the lattice, the RBM of one block, and the minimiser that trains it."""
