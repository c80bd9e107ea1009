"""The version of the installed package, as its metadata tells it. Imports nothing of the package."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("fcos-edu")
except PackageNotFoundError:  # a copy of the code that nobody has installed
    __version__ = "unknown"
