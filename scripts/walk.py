"""The command rgflow-walk, see `rgflow.commands.walk`."""

from rgflow.commands.walk import main

if __name__ == "__main__":
    main()
