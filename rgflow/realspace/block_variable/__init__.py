"""Choice of the block variable: local divergence and information with the environment."""
