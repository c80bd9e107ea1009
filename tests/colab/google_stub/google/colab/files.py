"""Uploads and downloads: nobody is there who would choose a file."""

from __future__ import annotations


def upload() -> dict[str, bytes]:
    """What the reader chose: nothing."""
    return {}


def download(filename: str) -> None:
    """Nowhere to."""
