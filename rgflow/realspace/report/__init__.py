"""What scripts/ising_rg.py prints and draws."""
