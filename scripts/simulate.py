"""The command rgflow-simulate, see `rgflow.commands.simulate`."""

from rgflow.commands.simulate import main

if __name__ == "__main__":
    main()
