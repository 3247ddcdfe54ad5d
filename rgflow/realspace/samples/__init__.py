"""Real-space renormalization of sampled configurations."""
