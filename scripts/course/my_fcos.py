"""The book's own detector, fcos_edu/course/my_fcos.py, from the chapters' cells in which it is taught.

Those cells have the tag ``my-fcos``. ``make pages`` writes the file; a test holds it equal to the cells. Needs nothing
beyond the standard library.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from scripts.fold_cells import without_title

NAME = "fcos_edu/course/my_fcos.py"
TAG = "my-fcos"
IMPORTS = re.compile(r"\A(?:(?:from|import) .*\n+|\n+)+")  # at the top of a cell; the file's own stand in its header
HEADER = '''\
"""An FCOS detector of one file: what the parts "Your detector" of the book's chapters add up to.

Written by ``make pages`` from the chapters' cells; change those. A reader's own functions take the place of these by
:func:`fcos_edu.course.own.own_detector`. Checked against: the package's detector with the same weights.
"""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock
'''


def assembled(root: Path) -> str:
    """The file's text: its imports, and the cells in the order of the chapters, as ruff leaves them; "" without any."""
    pieces: list[str] = []
    for chapter in sorted((root / "notebooks").glob("*.ipynb")):
        cells = json.loads(chapter.read_text("utf-8"))["cells"]
        parts = [
            IMPORTS.sub("", without_title("".join(cell["source"])))
            for cell in cells
            if TAG in cell.get("metadata", {}).get("tags", [])
        ]
        if parts:
            title = next("".join(cell["source"]).splitlines()[0] for cell in cells if cell["cell_type"] == "markdown")
            pieces.append(f"# ---- {title.removeprefix('# ')}\n" + "\n\n\n".join(parts))
    return "\n\n\n".join(piece.strip("\n") for piece in [HEADER, *pieces]) + "\n" if pieces else ""
