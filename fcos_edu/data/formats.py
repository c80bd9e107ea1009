"""The formats of annotations, in one table (Sec. 4, training data; COCO's is the paper's).

Taught in the chapter *Your own boxes*. Checked with folders of each format, and with one that is made up.

A format is a module with

- ``LAYOUT``: what its folders look like, for messages;
- ``recognises(path)``: whether a folder or file is of this format, by what is there;
- ``read(path, split, classes=..., pictures=...)``: its `annotations.Annotations`.

To add one, write the module and add it to ``FORMATS``: `load`, `boxes.load_boxes` and the commands read it then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from . import coco, voc
from .annotations import Annotations


class Format(Protocol):
    """What a module must have to be a format."""

    LAYOUT: str

    def recognises(self, path: Path, /) -> bool:
        """Whether the folder or file is of this format, by what is there."""

    def read(
        self, path: Path, split: str | None = None, *, classes: Sequence[str] | None = None, pictures: bool = True
    ) -> Annotations:
        """What its annotations say.

        Args:
            path: a folder or file that is recognised.
            split: None for all there is, or for the only split.
            classes: names in the order of the labels; by default the format's own order.
            pictures: raise FileNotFoundError where there are none. Without them, only boxes can be counted.

        Raises:
            FileNotFoundError: a file is missing; the text names it.
            ValueError: an unknown split, or a file of another form; the text names file and value.
        """


FORMATS: Mapping[str, Format] = {"voc": voc, "coco": coco}  # the first that recognises a folder reads it


def format_of(path: Path) -> Format:
    """The format that recognises a folder or file.

    Raises ValueError if none does.
    """
    for known in FORMATS.values():
        if known.recognises(path):
            return known
    *others, last = (known.LAYOUT for known in FORMATS.values())
    raise ValueError(f"{path} has neither {', '.join(others)} nor {last}.")
