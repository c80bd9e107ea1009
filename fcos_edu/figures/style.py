"""Colours, line styles and markers of all figures, and the Figure that a notebook shows and stores small.

Checked against: the palette of a written file, in which every colour with a meaning must survive; and the lightness of
ordered colours, which may only rise.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from matplotlib import patheffects
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import ArrayLike
from PIL import Image, PngImagePlugin

from ..fonts import OURS as _OURS
from ..fonts import font_file
from .letters import readable

if TYPE_CHECKING:
    from torch import Tensor

Array: TypeAlias = "ArrayLike | Tensor"  # what every figure takes; torch is not needed to draw

# Okabe and Ito's colours, without the yellow that vanishes on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# l, t, r, b always look the same.
SIDE_COLORS = {"l": "#0072B2", "t": "#D55E00", "r": "#009E73", "b": "#CC79A7"}
# Levels are ordered, so their lightness is, too: P2 and P3 are dark, P7 is light.
LEVEL_COLORS = {2: "#1b0b2e", 3: "#440154", 4: "#3b528b", 5: "#21918c", 6: "#5ec962", 7: "#fde725"}
LEVEL_MARKERS = {2: ".", 3: ".", 4: "o", 5: "s", 6: "D", 7: "^"}
LEVEL_SIZES = {2: 4.0, 3: 7.0, 4: 4.5, 5: 5.2, 6: 6.0, 7: 7.0}  # points; a "." is drawn at half its size
# Fig. 3's blue for 0 and red for 1, here with a lightness that only rises: a grey print keeps the order.
CENTERNESS_COLORS = LinearSegmentedColormap.from_list("centerness", ["#0a1a6b", "#6a2a9a", "#c23a80", "#ff5a45"])
FEW_BOXES = 30  # a share of fewer boxes says little: its marker is drawn hollow
HALO = [patheffects.withStroke(linewidth=2.5, foreground="white")]


class Picture(Figure):
    """A Figure that a notebook shows and stores small. All functions of this package return one."""

    def __init__(self, *args: Any, layout: Any = "constrained", **more: Any) -> None:
        super().__init__(*args, layout=layout, **more)

    def draw(self, renderer: Any) -> None:
        """Draw it, words that ours has no letters for in a font of the system, where one has them."""
        for words in self.findobj(Text):
            file = font_file(words.get_text())  # type: ignore[attr-defined]
            if file not in (_OURS, None):
                words.get_fontproperties().set_file(str(file))  # type: ignore[attr-defined]
        super().draw(renderer)

    def _repr_png_(self) -> bytes:
        return png(self, dpi=100, colors=256)


def png(figure: Figure, *, dpi: int = 70, colors: int = 64) -> bytes:
    """A figure as a PNG file with a palette: about a third of the usual size.

    Letters that a telephone would show too small are enlarged before, see :func:`fcos_edu.figures.letters.readable`.
    The comment of a file without a picture in it is "drawing": a dark page may turn its light and dark over.

    Args:
        figure: drawn at its size in inches times ``dpi``.
        dpi: pixels to the inch.
        colors: size of the palette, 32 to 256. 64 do for a drawing, a photograph wants 256.
    """
    readable(figure, dpi)
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=dpi, facecolor="white")
    full.seek(0)
    image = Image.open(full).convert("RGB")
    # The colours that carry meaning always stay; a thin line in one of them has too few pixels to win a place.
    own = np.round(255 * np.array([to_rgb(c) for c in ("white", *COLORS, *LEVEL_COLORS.values())])).astype(int)
    free = np.array(image.quantize(colors - len(own)).getpalette()).reshape(-1, 3)
    # Near one of them nothing else: Pillow's search rounds, and would take a light grey for white.
    free = free[abs(free[:, None] - own).max(-1).min(-1) > 8]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*own.ravel().tolist(), *free.ravel().tolist()])
    about = PngImagePlugin.PngInfo()
    if _is_drawing(figure):
        about.add_text("Comment", "drawing")
    image.quantize(palette=palette, dither=Image.Dither.NONE).save(small, format="png", optimize=True, pnginfo=about)
    return small.getvalue()


def _is_drawing(figure: Figure) -> bool:
    """Whether a figure has lines and bars alone, and neither a picture nor a map whose colours have a scale."""
    return not any(axes.images for axes in figure.axes)
