"""A slider over prepared figures, on any page: the pictures of all frames, and a script that shows one of them.

Taught by use: each chapter first shows one ``frame(k)`` as a plain figure, then hands the function to :func:`stack`.
Checked against: the pictures of the frames, and the piece of HTML in a browser: from a disk, in a sandboxed frame as on
Colab, inserted later as in JupyterLab, with mouse, touch and keyboard.

A slider that calls Python is dead on a static page, because nobody is there to answer. So all frames are drawn
beforehand, and the browser itself moves from one to the next.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

from matplotlib.figure import Figure
from PIL import Image

from ..figures.style import png
from ..text import counted
from .piece import Piece, escaped, pack

MAX_FRAMES = 15  # the pictures are stored in the notebook: about 20 kB each


def stack(
    frame: Callable[[int], Figure],
    count: int,
    *,
    start: int = 0,
    description: str = "frame",
    caption: str = "",
    dpi: int = 100,
    seen: Callable[[int], str] | None = None,
) -> Piece:
    """A slider over prepared figures.

    Args:
        frame: pure function of the slider's position 0..count-1. All its figures must have the same size in inches, so
            that the page does not jump. Their titles become the words for those who do not see the picture, unless
            ``seen`` says more.
        count: number of frames, 2 to 15.
        start: the frame that is shown first.
        description: text at the left of the slider: what it moves.
        caption: a sentence above the slider: what to look for.
        dpi: resolution; at 100 the frames are as large as the figure alone, less keeps pictures of noise small.
        seen: what is seen in frame k, in words; for figures without a title.

    Returns:
        One piece of HTML: the caption (if any), the slider and the pictures.

    Raises:
        ValueError: ``count`` is not in 2..15, ``start`` is not one of the frames, or frames differ in size.
    """
    if not 2 <= count <= MAX_FRAMES:
        raise ValueError(
            f"{counted(count, 'frames')}; a stack takes 2 to {MAX_FRAMES}, because each is stored in the notebook"
        )
    if not 0 <= start < count:
        raise ValueError(f"start is {start}; with {counted(count, 'frames')} it must lie in 0..{count - 1}")
    pictures, sizes, words = [], set(), []
    for k in range(count):
        figure = frame(k)
        sizes.add(tuple(float(side) for side in figure.get_size_inches()))
        if len(sizes) > 1:
            raise ValueError(f"frames of different sizes, {sorted(sizes)} inches; give all the same figsize")
        title = seen(k) if seen else _title(figure)
        words.append(f"{description}, frame {k + 1} of {count}" + (f": {title}" if title else ""))
        pictures.append(_picture(png(figure, dpi=dpi), words[-1], hidden=k != start))
    text = f"{counted(count, 'pictures')} with a slider: {description}"
    return pack(
        "frames",
        text,
        caption,
        data={"start": start, "label": description, "words": words},
        still='<div class="fcx-pile">\n' + "\n".join(pictures) + "\n</div>\n",
        scripts=("range", "frames"),
        styles=("base", "frames"),
    )


def _title(figure: Figure) -> str:
    """What the figure says of itself: its own title, else those of its axes."""
    own = figure.get_suptitle()
    titles = [own] if own else [axes.get_title() for axes in figure.axes]
    return "; ".join(" ".join(title.replace("$", "").split()) for title in titles if title.strip())


def _picture(content: bytes, words: str, *, hidden: bool) -> str:
    """An ``img`` that holds its picture, and keeps its place before that is decoded."""
    width, height = Image.open(io.BytesIO(content)).size
    source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return f'<img src="{source}" alt="{escaped(words)}" width="{width}" height="{height}"{" hidden" if hidden else ""}>'
