"""The command rgflow-mix, see `rgflow.commands.mix`."""

from rgflow.commands.mix import main

if __name__ == "__main__":
    main()
