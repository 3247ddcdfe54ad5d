"""The command rgflow-receptive-fields, see `rgflow.commands.receptive_fields`."""

from rgflow.commands.receptive_fields import main

if __name__ == "__main__":
    main()
