"""The command rgflow-independence, see `rgflow.commands.independence`."""

from rgflow.commands.independence import main

if __name__ == "__main__":
    main()
