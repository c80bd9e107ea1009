"""Mounting, with the one rule that readers stumble over."""

from __future__ import annotations

from pathlib import Path


def mount(mountpoint: str, force_remount: bool = False) -> None:
    """Refuse a place where files lie already, as the real one does."""
    place = Path(mountpoint)
    if place.is_dir() and any(place.iterdir()):
        raise ValueError("Mountpoint must not already contain files")
    (place / "MyDrive").mkdir(parents=True)
    print(f"Mounted at {mountpoint}")
