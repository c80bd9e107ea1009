"""The command line: ``fcos-edu``, one file for each command."""

from .parser import main

__all__ = ["main"]
