"""Real-space renormalization of Monte-Carlo configurations."""
