"""The questions of the six labs along a detector of the reader's own, a module for each lab."""
