"""Around the physics: the command line, signals, run folders, files, seeds, configuration."""
