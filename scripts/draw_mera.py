"""The command rgflow-draw-mera, see `rgflow.commands.draw_mera`."""

from rgflow.commands.draw_mera import main

if __name__ == "__main__":
    main()
