"""The command rgflow-compare, see `rgflow.commands.compare`."""

from rgflow.commands.compare import main

if __name__ == "__main__":
    main()
