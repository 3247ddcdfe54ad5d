"""The command rgflow-evaluate, see `rgflow.commands.evaluate`."""

from rgflow.commands.evaluate import main

if __name__ == "__main__":
    main()
