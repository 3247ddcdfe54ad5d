"""The block RBM: its law, its geometry, and how its divergence is minimised."""
