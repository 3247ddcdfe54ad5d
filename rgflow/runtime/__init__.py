"""What surrounds the physics: command line, signals, run folders, files, seeds, configuration."""
