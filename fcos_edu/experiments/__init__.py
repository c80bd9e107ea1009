"""Comparisons: studies over seeds, and times against torchvision."""
