"""Letters that can be read: on a telephone no smaller than 9 pixels, all of them in the picture, and none on another.

A picture is shown as wide as the page, if it is not narrower; so how large a letter may be at least follows from the
width of its figure. :func:`readable` brings a drawn figure there: it enlarges what is too small, breaks lines that have
no room any more, and looks for a free corner for the words at boxes. Nothing of this is a figure.
Checked against: the extents of all letters of every figure of the package.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import wrap
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

TELEPHONE = 375  # pixels: how wide a picture is on the page of a telephone
LEAST = 9.0  # pixels: the height of the smallest letters there
WIDE = 6.0  # inches: figures of numbers; wider ones would need larger letters still


class Place(NamedTuple):
    """Where words may stand: data coordinates, and the corner of the words that lies there."""

    x: float
    y: float
    ha: str
    va: str


# Words at a box: how early they choose (0 first), and their places, the best one first.
_WORDS: WeakKeyDictionary[Text, tuple[int, list[Place]]] = WeakKeyDictionary()


def least_points(figure: Figure, dpi: float = 100) -> float:
    """The smallest size of letters, in points, that a telephone's page shows with ``LEAST`` pixels.

    Args:
        figure: its width counts.
        dpi: pixels to the inch of its file. A file that is narrower than the page is shown as it is.
    """
    return 72 * LEAST * max(figure.get_size_inches()[0] / TELEPHONE, 1 / dpi)


def inches(words: str, points: float) -> float:
    """How wide the longest line of ``words`` is in letters of this size."""
    letters = FontProperties(size=points)

    def width(row: str) -> float:
        formula = is_math_text(row)
        row = row if formula else row.replace(r"\$", "$")  # as matplotlib draws it
        return float(text_to_path.get_text_width_height_descent(row, letters, formula)[0])

    return max(map(width, words.split("\n"))) / 72


def legend_outside(
    figure: Figure, handles: Sequence[Artist], labels: Sequence[str], *, below: bool = False, **more: Any
) -> Legend:
    """A legend above (or below) all axes, in as many columns as its letters leave room for.

    Args:
        figure: with its axes.
        handles: what is drawn, as ``axes.get_legend_handles_labels()`` gives them.
        labels: a name for each.
        below: at the lower side of the figure.
        more: goes to matplotlib.
    """
    size = max(9.0, least_points(figure))
    larger = max(1.2 * 9.0, size)  # as a file of fewer pixels to the inch needs them
    room = float(figure.get_size_inches()[0]) - 0.2
    names = [folded(label, room - 3 * larger / 72, larger) for label in labels]
    # Beside a name: its line, as long as two letters are high, and 0.8 and 1.5 of such heights between.
    widths = [inches(name, larger) + 4.3 * larger / 72 for name in names]
    columns = 1
    for count in range(1, len(names) + 1):
        if sum(max(column) for column in np.array_split(widths, count)) <= room:
            columns = count
    where = "outside lower center" if below else "outside upper center"
    style: dict[str, Any] = {
        "frameon": False,
        "fontsize": size,
        "ncols": columns,
        "loc": where,
        "columnspacing": 1.5,
    } | more
    return figure.legend(handles, names, **style)


def folded(words: str, room: float, points: float) -> str:
    """``words`` in lines of at most ``room`` inches, as even as can be; a single long word and a formula stay whole."""
    width, rows = inches(words, points), words.split("\n")
    if width <= room or not room > 0 or any(map(is_math_text, rows)):
        return words
    letters = max(1, int(max(map(len, rows)) * room / width))
    return "\n".join(part for row in rows for part in _even(row, letters))


def _even(line: str, letters: int) -> list[str]:
    if len(line) <= letters:
        return [line]
    rows = wrap(line, letters, break_long_words=False, break_on_hyphens=False)
    for fewer in range(letters - 1, 0, -1):
        closer = wrap(line, fewer, break_long_words=False, break_on_hyphens=False)
        if len(closer) > len(rows):
            break
        rows = closer
    return rows


def place_at_box(text: Text, box: NDArray[np.float64], rank: int) -> None:
    """Let words that lie on others move to another corner of their box, or stay away where none is free.

    Args:
        text: the words, at their first place.
        box: ``(4,)`` xyxy in data coordinates, y downwards.
        rank: the words of rank 0 choose first.
    """
    x0, y0, x1, y1 = (float(side) for side in box)
    first = Place(*text.get_position(), text.get_horizontalalignment(), text.get_verticalalignment())
    above = [Place(x0, y0, "left", "bottom"), Place(x1, y0, "right", "bottom")]
    inside = [Place(x0, y0, "left", "top"), Place(x1, y0, "right", "top")]
    low = [Place(x0, y1, "left", "bottom"), Place(x1, y1, "right", "bottom")]
    below = [Place(x0, y1, "left", "top"), Place(x1, y1, "right", "top")]
    _WORDS[text] = rank, [first, *above, *inside, *below, *low]


def readable(figure: Figure, dpi: float = 100) -> None:
    """Enlarge letters that a telephone would show too small, and give all letters of a figure their room.

    Args:
        figure: drawn completely. Its size in inches stays, its axes get smaller where letters need more.
        dpi: pixels to the inch of its file.
    """
    _enlarge(figure, least_points(figure, dpi))
    for _ in range(3):  # each change moves the axes, and with them the room
        figure.draw_without_rendering()
        changed = [_fold_titles(axes, figure) for axes in figure.axes]
        changed += [_part_names(axes.xaxis, figure.dpi) for axes in figure.axes if axes.axison]
        if not any(changed):
            break
    _place_words(figure)


def _enlarge(figure: Figure, least: float) -> None:
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = axis.get_ticklabels(which="both")
            if any(float(label.get_fontsize()) < least for label in labels):
                axis.set_tick_params(which="both", labelsize=least)
    for text in figure.findobj(Text):
        if isinstance(text, Text) and float(text.get_fontsize()) < least:
            text.set_fontsize(least)


def _fold_titles(axes: Axes, figure: Figure) -> bool:
    """Break a title or a label of an axis that reaches into what is not its own; whether that changed anything."""
    own = axes.get_window_extent()
    left, right = 0.0, float(figure.bbox.width)
    for other in figure.axes:
        at = other.get_window_extent()
        if other is not axes and at.y0 < own.y1 and own.y0 < at.y1:
            left = max(left, (at.x1 + own.x0) / 2) if at.x1 <= own.x0 + 1 else left
            right = min(right, (at.x0 + own.x1) / 2) if at.x0 >= own.x1 - 1 else right
    middle = (own.x0 + own.x1) / 2
    across = (2 * min(middle - left, right - middle) - 6) / figure.dpi
    upright = max(1.05 * own.height, 1.0) / figure.dpi
    changed = False
    for text, room in ((axes.title, across), (axes.xaxis.label, across), (axes.yaxis.label, upright)):
        words = folded(text.get_text(), room, float(text.get_fontsize()))
        changed |= words != text.get_text()
        text.set_text(words)
    return changed


def _part_names(axis: Axis, dpi: float) -> bool:
    """Let names below an axis not touch: in several lines or at a slant; of numbers those stay that have room."""
    low, high = sorted(axis.get_view_interval())
    drawn = [
        (float(at), label)
        for at, label in zip(axis.get_majorticklocs(), axis.get_majorticklabels())
        if low <= at <= high and label.get_visible() and label.get_text()
    ]
    if len(drawn) < 2 or drawn[0][1].get_rotation():
        return False
    drawn.sort(key=lambda pair: pair[1].get_window_extent().x0)
    extents = [label.get_window_extent() for _, label in drawn]
    size = float(drawn[0][1].get_fontsize())
    apart = 0.3 * size * dpi / 72
    if all(a.x1 + apart <= b.x0 for a, b in zip(extents, extents[1:])):
        return False
    places, names = [at for at, _ in drawn], [label.get_text() for _, label in drawn]
    if sum("$" in name or not re.search("[A-Za-z]{2}", name) for name in names) > len(names) / 2:
        kept = [len(names) - 1]  # the last one has a meaning more often than others: the end, or "the whole box"
        for i in range(len(names) - 1):
            if all(max(extents[i].x0, extents[k].x0) >= min(extents[i].x1, extents[k].x1) + apart for k in kept):
                kept.append(i)
        axis.set_ticks(places, [name if i in kept else "" for i, name in enumerate(names)])
        return True
    middles = [(extent.x0 + extent.x1) / 2 for extent in extents]
    room = (min(np.diff(middles)) - apart) / dpi
    lines = [folded(name, room, size) for name in names]
    if lines == names:
        axis.set_ticks(places, names, rotation=30, ha="right", rotation_mode="anchor")
    else:
        axis.set_ticks(places, lines)
    return True


def _place_words(figure: Figure) -> None:
    """Words at boxes choose their corners one after the other; those that find none free are left out."""
    for axes in figure.axes:
        words = [text for text in axes.texts if text in _WORDS]
        taken: list[Bbox] = []
        for text in sorted(words, key=lambda one: _WORDS[one][0]):
            text.set_visible(True)
            # A box that is as wide as its picture has no corner beside which words are inside: they move a little.
            most = text.get_window_extent().height / 2
            for place, push in [(place, push) for push in (0.0, most) for place in _WORDS[text][1]]:
                text.set(position=(place.x, place.y), ha=place.ha, va=place.va)
                at = _pushed_inside(text, axes, push, 1.2 * figure.dpi / 72)
                if at is not None and not any(at.overlaps(other) for other in taken):
                    taken.append(at)
                    break
            else:
                text.set_visible(False)


def _pushed_inside(text: Text, axes: Axes, most: float, margin: float) -> Bbox | None:
    """Move words by at most so many pixels into their picture; where they are then, with their margin, or None."""
    frame, at = axes.get_window_extent(), text.get_window_extent().padded(margin)
    right = max(0.0, frame.x0 - 1 - at.x0) - max(0.0, at.x1 - frame.x1 - 1)
    up = max(0.0, frame.y0 - 1 - at.y0) - max(0.0, at.y1 - frame.y1 - 1)
    if max(abs(right), abs(up)) > most:
        return None
    if right or up:
        x, y = axes.transData.transform(text.get_position())
        x, y = axes.transData.inverted().transform((x + right, y + up))
        text.set_position((float(x), float(y)))
        at = Bbox([[at.x0 + right, at.y0 + up], [at.x1 + right, at.y1 + up]])
    inside = frame.x0 - 1.1 <= at.x0 and at.x1 <= frame.x1 + 1.1 and frame.y0 - 1.1 <= at.y0 and at.y1 <= frame.y1 + 1.1
    return at if inside else None
