"""The command rgflow-factors, see `rgflow.commands.factors`."""

from rgflow.commands.factors import main

if __name__ == "__main__":
    main()
