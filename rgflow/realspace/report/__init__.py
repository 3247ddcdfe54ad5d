"""Tables and figures of scripts/ising_rg.py."""
