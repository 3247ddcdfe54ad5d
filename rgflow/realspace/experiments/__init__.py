"""Numerical experiments on what makes a good block variable."""
