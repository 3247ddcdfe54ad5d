"""Experiments of the lecture on what makes a good block variable."""
