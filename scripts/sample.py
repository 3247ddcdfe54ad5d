"""The command rgflow-sample, see `rgflow.commands.sample`."""

from rgflow.commands.sample import main

if __name__ == "__main__":
    main()
