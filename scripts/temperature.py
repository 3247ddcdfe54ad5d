"""The command rgflow-temperature, see `rgflow.commands.temperature`."""

from rgflow.commands.temperature import main

if __name__ == "__main__":
    main()
