"""What a trainer does beside training: checkpoints, averages, pictures, lines of progress."""
