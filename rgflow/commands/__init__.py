"""The commands beside training: each reads its arguments and calls the package."""
