"""Which block variable a block gets: local divergence, information with the environment."""
