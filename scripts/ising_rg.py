"""The command rgflow-ising-rg, see `rgflow.commands.ising_rg`."""

from rgflow.commands.ising_rg import main

if __name__ == "__main__":
    main()
