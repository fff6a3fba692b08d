"""Training: which runs, who trains them, one stack from its last checkpoint to its end."""
