"""The command rgflow-study, see `rgflow.commands.study`."""

from rgflow.commands.study import main

if __name__ == "__main__":
    main()
