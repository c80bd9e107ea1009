"""Section 4's training: the loop, its state, the configuration of a run, and what a run leaves on disk."""
