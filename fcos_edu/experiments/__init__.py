"""Comparisons: studies over seeds, and times against torchvision."""

PARTS = ("assignment", "inference", "training", "small")  # of the bench; here, where --help reads them without torch
