"""Stands for Colab's own module, as far as a notebook of the book may use it; nothing here reaches a network."""

from . import drive, files

__all__ = ["drive", "files"]
