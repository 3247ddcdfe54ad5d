"""The command rgflow-make-msds, see `rgflow.commands.make_msds`."""

from rgflow.commands.make_msds import main

if __name__ == "__main__":
    main()
