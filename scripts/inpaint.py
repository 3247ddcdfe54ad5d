"""The command rgflow-inpaint, see `rgflow.commands.inpaint`."""

from rgflow.commands.inpaint import main

if __name__ == "__main__":
    main()
