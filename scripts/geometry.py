"""The command rgflow-geometry, see `rgflow.commands.geometry`."""

from rgflow.commands.geometry import main

if __name__ == "__main__":
    main()
