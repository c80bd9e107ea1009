"""Fonts that have the letters of a word: names of classes in pictures are in any script.

Words are written in DejaVu Sans, which comes with matplotlib and has Latin, Greek, Cyrillic and some more. What it
lacks, such as Chinese, is written in a font of the system that has all of it; where there is none, a class is written
as its number, because empty squares say nothing.

Used wherever a picture has words in it. Checked against: the pixels that Pillow and matplotlib make of a font; fonts
that are broken, and those that have a square for every letter.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import ImageFont

from .text import printable

OURS = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"  # DejaVu Sans, which comes with matplotlib
_WITH = "0123456789.:"  # what is written beside a name, in the same font
_SQUARES = ("lastresort", "adobeblank")  # fonts that have a square, or nothing, for every letter
_SELDOM = ("bold", "italic", "oblique", "thin", "light", "black", "mono", "serif")  # where there are others


def in_pictures(name: str, label: int) -> str:
    """A class's name as it can be written into a picture: ``class 3`` where no font has its letters.

    Args:
        name: of the class.
        label: its number, 0..C-1.
    """
    told = printable(name)
    return told if font_file(told + _WITH) is not None else f"class {label}"


def font_file(text: str) -> Path | None:
    """A font with all letters of a text: matplotlib's DejaVu Sans or else one of the system; None if none has them."""
    missing = any(not c.isspace() and not _has(OURS, c) for c in set(text))
    return _of_system("".join(sorted(set(text), reverse=True))) if missing else OURS  # the rarest first


@lru_cache(maxsize=4096)
def _of_system(letters: str) -> Path | None:
    """The first font of the system with all these letters, plain ones before bold ones."""
    for file in _fonts_of_system():
        if all(c.isspace() or _has(file, c) for c in letters):
            try:
                ImageFont.truetype(str(file), 12)  # one of pictures, as of emoji, has a single size
            except OSError:
                continue
            return file
    return None


@cache
def _fonts_of_system() -> tuple[Path, ...]:
    """Files of fonts, those that are read most easily first."""
    files = sorted({Path(file) for file in font_manager.findSystemFonts()}, key=lambda file: (file.name.lower(), file))
    return tuple(
        sorted(
            (file for file in files if not any(name in file.name.lower() for name in _SQUARES)),
            key=lambda file: sum(word in file.name.lower() for word in _SELDOM),
        )
    )


@cache
def _has(file: Path, letter: str) -> bool:
    """Whether a font has a letter; one that cannot be read has none."""
    font = _opened(file)
    return font is not None and font.get_char_index(ord(letter)) != 0


@lru_cache(maxsize=8)
def _opened(file: Path) -> FT2Font | None:
    try:
        return FT2Font(str(file))
    except (OSError, RuntimeError):
        return None
