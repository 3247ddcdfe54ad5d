"""Faster ways to compute what plain torch could: gradients written by hand, and machine code."""
