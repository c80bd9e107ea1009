"""Figures that answer the mouse, a finger and the keyboard on a page without a kernel: one function for each.

Taught by use, from *Locations and the four distances* on. Checked against: every number that an explorer computes, by
running its JavaScript in a real browser beside the package, torchvision and pycocotools on random cases; and by using
each explorer there.

A slider over prepared frames (:func:`~fcos_edu.widgets.frames.stack`) can only show what was drawn before. An
explorer computes anew: its JavaScript holds the package's own functions once more (``js/core.js``), because where a
chapter is read as a page, or from a disk without a network, no Python is there to ask. A function of this module
packs that script, the style and the data into one piece of HTML (:mod:`fcos_edu.widgets.piece`), which the notebook
stores as the output of its cell.
"""

from __future__ import annotations

import base64
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.colors import to_hex
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor

from ..centerness import centerness
from ..config import FCOSConfig
from ..figures.style import CENTERNESS_COLORS, COLORS, LEVEL_COLORS, SIDE_COLORS
from ..locations import Grid, axes
from ..targets import assign, ltrb
from ..text import counted
from .piece import Piece, pack

Array = ArrayLike | Tensor
MAX_BOXES = 40  # more cannot be told apart in a figure


# ---------------------------------------------------------------- the explorers


def box_explorer(
    boxes: Array,
    labels: Array | None = None,
    names: Sequence[str] | None = None,
    *,
    size: tuple[int, int] | None = None,
    config: FCOSConfig | None = None,
    image: Array | None = None,
    start: Sequence[float] | None = None,
    caption: str = "",
) -> Piece:
    """A location under the pointer: the box it learns, l, t, r, b (Eq. 1), its level, its center-ness (Eq. 3).

    Args:
        boxes: ``(M, 4)`` xyxy in pixels, at most 40; kept to a hundredth of a pixel.
        labels: ``(M,)`` classes 0..C-1; None calls the boxes "box 1", "box 2", ...
        names: names of the C classes.
        size: (height, width) in pixels; not needed with an image.
        config: decides levels, ranges, locations and center sampling; None for ``FCOSConfig.paper()``.
        image: ``(3, H, W)`` or ``(H, W, 3)``, uint8 or float 0..1, drawn below.
        start: x, y in pixels, where the figure begins; None for a location of the smallest box that has several.
        caption: a sentence above the figure: what to try.

    Raises:
        ValueError: no size, boxes that are none or too many, or labels and names that do not fit them.
    """
    data = _scene(boxes, labels, names, size, config, image)
    place = _first_place(data, config or FCOSConfig.paper()) if start is None else list(start)
    data["start"] = [_plain(v, 2) for v in place]
    return _explorer("box", data, f"Box explorer: {_count(data)}", caption)


def overlap_explorer(
    boxes: Array,
    labels: Array | None = None,
    names: Sequence[str] | None = None,
    *,
    size: tuple[int, int] | None = None,
    config: FCOSConfig | None = None,
    image: Array | None = None,
    level: int | None = None,
    caption: str = "",
) -> Piece:
    """Boxes that are dragged, and who owns each location: ranges of the levels and center sampling on and off.

    Args:
        boxes, labels, names, size, config, image, caption: as for :func:`box_explorer`.
        level: the pyramid level that is shown first, such as 3; None for the one with the most positive locations.

    Raises:
        ValueError: as for :func:`box_explorer`, or the configuration does not have the level.
    """
    data = _scene(boxes, labels, names, size, config, image)
    known = [each["name"] for each in data["levels"]]
    if level is not None and level not in known:
        raise ValueError(f"level is {level}; the configuration has the levels {known}")
    data["level"] = _busiest_level(data, config or FCOSConfig.paper()) if level is None else known.index(level)
    return _explorer("overlap", data, f"Overlap explorer: {_count(data)}", caption)


def iou_explorer(
    truth: Sequence[float] = (60, 60, 200, 190),
    prediction: Sequence[float] = (130, 110, 310, 250),
    *,
    size: tuple[int, int] = (300, 380),
    loss: str = "iou",
    caption: str = "",
) -> Piece:
    """Two boxes that are dragged and resized: IoU, GIoU, the three box losses, and where each pulls the prediction.

    Args:
        truth, prediction: x0, y0, x1, y1 in pixels.
        size: (height, width) of the drawing, in pixels.
        loss: which one is shown first, as ``FCOSConfig.box_loss``: ``"iou"``, ``"linear_iou"`` or ``"giou"``.
        caption: a sentence above the figure: what to try.

    Raises:
        ValueError: no such loss, or a box without an area.
    """
    if loss not in ("iou", "linear_iou", "giou"):
        raise ValueError(f"loss is {loss!r}; it must be 'iou', 'linear_iou' or 'giou'")
    data = {"size": _size(size, None), "boxes": _box_list([truth, prediction]), "loss": loss}
    return _explorer("iou", data, "IoU explorer: two boxes", caption)


def centerness_explorer(
    box: Sequence[float] = (50, 50, 330, 230),
    point: Sequence[float] = (140, 110),
    *,
    size: tuple[int, int] = (280, 380),
    score: float = 0.9,
    caption: str = "",
) -> Piece:
    """A box that is resized and a location that is dragged in it: the map of Eq. 3, and what it does to a score.

    Args:
        box: x0, y0, x1, y1 in pixels.
        point: x, y in pixels, in the box.
        size: (height, width) of the drawing, in pixels.
        score: the class score that center-ness is multiplied with, 0..1.
        caption: a sentence above the figure: what to try.

    Raises:
        ValueError: a box without an area, a point outside of it, or a score outside 0..1.
    """
    (only,) = _box_list([box])
    x, y = (float(v) for v in point)
    if not (only[0] < x < only[2] and only[1] < y < only[3]):
        raise ValueError(f"point is {(x, y)}; it must lie in the box {tuple(only)}")
    _share(score, "score")
    data = {"size": _size(size, None), "box": only, "point": [_plain(x, 2), _plain(y, 2)], "score": float(score)}
    return _explorer("centerness", data, "Center-ness explorer: a box and a location in it", caption)


def focal_explorer(
    *,
    gamma: float = 2.0,
    alpha: float = 0.25,
    p: float = 0.8,
    positives: int = 10,
    negatives: int = 17_054,
    prior: float = 0.01,
    caption: str = "",
) -> Piece:
    """The focal loss of Eq. 2 as a curve, with sliders for gamma and alpha, and what it does to many easy negatives.

    Args:
        gamma: where its slider begins, 0..5; 0 is the cross-entropy, weighted with alpha.
        alpha: where its slider begins, 0..1: weight of the positives.
        p: where the marker begins: probability given to the right answer, p_t.
        positives, negatives: locations of an untrained detector, whose losses are compared below the curve.
        prior: the probability of a class that the untrained detector gives everywhere.
        caption: a sentence above the figure: what to try.

    Raises:
        ValueError: a value outside its range.
    """
    if not 0 <= gamma <= 5:
        raise ValueError(f"gamma is {gamma}; its slider goes from 0 to 5")
    for name, value in (("alpha", alpha), ("p", p), ("prior", prior)):
        _share(value, name)
    if not 0 < prior < 1:
        raise ValueError(f"prior is {prior}; its logit is finite only between 0 and 1")
    if positives < 0 or negatives < 0:
        raise ValueError(
            f"{counted(positives, 'positives')} and {counted(negatives, 'negatives')}; they are counts, 0 or more"
        )
    data = {
        "gamma": float(gamma),
        "alpha": float(alpha),
        "p": float(p),
        "positives": int(positives),
        "negatives": int(negatives),
        "prior": float(prior),
    }
    return _explorer("focal", data, "Focal loss explorer: loss against the probability of the right answer", caption)


def nms_explorer(
    detections: Mapping[str, Array],
    names: Sequence[str] | None = None,
    *,
    size: tuple[int, int] | None = None,
    image: Array | None = None,
    score_threshold: float = 0.05,
    nms_threshold: float = 0.6,
    caption: str = "",
) -> Piece:
    """Non-maximum suppression step by step, within each class, with sliders for both thresholds.

    A model's detections have been through NMS already. ``config.replace(nms_threshold=1.0)`` keeps everything, as no
    IoU is above 1.

    Args:
        detections: of one image, before NMS: ``boxes`` (K, 4) xyxy in pixels, ``scores`` (K,), ``labels`` (K,). The 40
            with the highest scores are taken.
        names: names of the C classes.
        size, image: as for :func:`box_explorer`.
        score_threshold: where its slider begins, 0..1.
        nms_threshold: where the slider of the IoU begins, 0..1.
        caption: a sentence above the figure: what to try.

    Raises:
        ValueError: no detections, no size, thresholds outside 0..1.
    """
    _share(score_threshold, "score_threshold")
    _share(nms_threshold, "nms_threshold")
    picture = None if image is None else _pixels(image)
    found = _detections(detections, most=MAX_BOXES)
    if not found["boxes"]:
        raise ValueError("no detections; NMS needs at least one box")
    data = {
        "size": _size(size, picture),
        **found,
        "names": _class_names(found["labels"], names),
        "scoreThreshold": float(score_threshold),
        "nmsThreshold": float(nms_threshold),
        "image": None if picture is None else _data_url(picture),
    }
    return _explorer("nms", data, f"NMS explorer: {_count(data)}", caption)


def pr_explorer(
    detections: Sequence[Mapping[str, Array]],
    targets: Sequence[Mapping[str, Any]],
    names: Sequence[str] | None = None,
    *,
    iou: float = 0.5,
    score: float = 0.3,
    caption: str = "",
) -> Piece:
    """The precision-recall curve of some images, with sliders for the IoU and the score that count as found.

    AP is COCO's: matching as pycocotools does it, 101 recalls, the 100 best detections of an image and class.

    Args:
        detections: for each image ``boxes`` (K, 4) xyxy in pixels, ``scores`` (K,), ``labels`` (K,) 0..C-1.
        targets: for each image ``boxes`` (M, 4) and ``labels`` (M,); without crowd boxes.
        names: names of the C classes.
        iou: where its slider begins: .50, .55, ... .95.
        score: where its slider begins, 0..1.
        caption: a sentence above the figure: what to try.

    Raises:
        ValueError: not as many targets as detections, no true box at all, crowd boxes, or too many detections for one
            page (5000).
    """
    if len(detections) != len(targets):
        raise ValueError(
            f"{counted(len(detections), 'detections')} for {counted(len(targets), 'targets')}; each image needs both"
        )
    thresholds = [round(0.5 + 0.05 * i, 2) for i in range(10)]
    if round(iou, 2) not in thresholds:
        raise ValueError(f"iou is {iou}; it must be one of {thresholds}")
    _share(score, "score")
    images = []
    for found, target in zip(detections, targets):
        if any(bool(flag) for flag in np.asarray(target.get("iscrowd", ())).reshape(-1)):
            raise ValueError("a target has crowd boxes, which this figure does not count: leave them out")
        truth = np.asarray(target["boxes"], dtype=float).reshape(-1, 4)
        kinds = _labels(target["labels"], len(truth))
        images.append(
            _detections(found, most=None) | {"truth": _box_list(truth) if len(truth) else [], "truthLabels": kinds}
        )
    total = sum(len(each["boxes"]) for each in images)
    if total > 5000:
        raise ValueError(
            f"{counted(total, 'detections')}; a page takes 5000: fewer images, or a higher score threshold"
        )
    if not any(each["truth"] for each in images):
        raise ValueError("the targets have no box; recall is a share of the true boxes")
    kinds = sorted({label for each in images for label in each["truthLabels"]})
    data = {
        "images": images,
        "classes": kinds,
        "names": _class_names([label for each in images for label in each["truthLabels"] + each["labels"]], names),
        "iou": round(float(iou), 2),
        "score": float(score),
    }
    truths = sum(len(each["truth"]) for each in images)
    text = (
        f"Precision-recall explorer: {counted(total, 'detections')} of {counted(truths, 'objects')} in "
        f"{counted(len(images), 'images')}"
    )
    return _explorer("pr", data, text, caption)


def guess_explorer(
    rows: Sequence[Mapping[str, Any]],
    *,
    unit: str = "AP",
    step: float = 0.1,
    caption: str = "",
) -> Piece:
    """Differences that the reader guesses, row by row, before the paper's and the measured ones are shown.

    A guess cannot be changed once the figure is open. The axis reaches equally far on both sides of 0, and over every
    point, so that it gives nothing away.

    Args:
        rows: of a table, each with a ``name`` and ``paper``, the paper's difference in ``unit`` (None where it has
            none); where it was measured also ``ours``, its ``interval`` (low, high) and the ``word`` of the verdict.
        unit: what is guessed.
        step: between two guesses that can be told apart, in ``unit``.
        caption: a sentence above the figure: what to try.

    Raises:
        ValueError: no row, more than 12, one without a difference, a number that is not finite, or a step that is not
            above 0.
    """
    if not 1 <= len(rows) <= 12:
        raise ValueError(f"{counted(len(rows), 'rows')}; the figure takes 1 to 12")
    if not 0 < step < math.inf:
        raise ValueError(f"step is {step}; it must be above 0")
    told: list[dict[str, Any]] = []
    for row in rows:
        known = {name: row.get(name) for name in ("paper", "ours")}
        ends = row.get("interval")
        numbers = [value for value in (*known.values(), *(ends or ())) if value is not None]
        if known["paper"] is None and known["ours"] is None:
            raise ValueError(f"row {row['name']!r} has neither 'paper' nor 'ours'; there is nothing to guess")
        if not all(math.isfinite(value) for value in numbers):
            raise ValueError(f"row {row['name']!r} has the numbers {numbers}; all must be finite")
        told.append(
            {"name": str(row["name"])}
            | {name: None if value is None else _plain(value, 2) for name, value in known.items()}
            | {"interval": None if ends is None else [_plain(v, 2) for v in ends], "word": row.get("word") or ""}
        )
    farthest = max(abs(v) for row in told for v in (row["paper"], row["ours"]) if v is not None)
    reach = max(math.ceil(1.25 * farthest), math.ceil(5 * step))
    data = {"rows": told, "reach": reach, "step": float(step), "unit": unit}
    return _explorer("guess", data, f"Guess first: {counted(len(rows), 'differences')} in {unit}", caption)


# ---------------------------------------------------------------- data


def _share(value: float, name: str) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}; it must lie in 0..1")


def _detections(found: Mapping[str, Array], most: int | None) -> dict[str, Any]:
    """Boxes, scores and labels of one image, highest score first, rounded."""
    scores = np.asarray(found["scores"], dtype=float).reshape(-1)
    kinds = np.asarray(_labels(found["labels"], len(scores)))
    boxes = np.asarray(found["boxes"], dtype=float).reshape(-1, 4)
    if len(boxes) != len(scores):
        raise ValueError(f"{counted(len(scores), 'scores')} for {counted(len(boxes), 'boxes')}; each box needs one")
    order = np.argsort(-scores, kind="stable")[:most]
    return {
        "boxes": _box_list(boxes[order], most=len(order)) if len(order) else [],
        "scores": [_plain(v, 4) for v in scores[order]],
        "labels": [int(v) for v in kinds[order]],
    }


def _class_names(labels: Sequence[int], names: Sequence[str] | None) -> list[str]:
    """The name of each class 0..C-1."""
    if names is None:
        return [f"class {label}" for label in range(max(labels, default=0) + 1)]
    if not all(0 <= label < len(names) for label in labels):
        raise ValueError(
            f"labels {sorted(set(labels))} for {counted(len(names), 'names')}; a label is an index of names"
        )
    return list(names)


def _scene(
    boxes: Array,
    labels: Array | None,
    names: Sequence[str] | None,
    size: tuple[int, int] | None,
    config: FCOSConfig | None,
    image: Array | None,
) -> dict[str, Any]:
    """What explorers over a picture with boxes share."""
    config = FCOSConfig.paper() if config is None else config
    picture = None if image is None else _pixels(image)
    height, width = _size(size, picture)
    rows = _box_list(boxes)
    kinds = _labels(labels, len(rows))
    return {
        "size": [height, width],
        "boxes": rows,
        "labels": kinds,
        "names": _titles(kinds if labels is not None else None, names, len(rows)),
        "levels": _levels(height, width, config),
        "radius": config.center_sampling_radius,
        "quirks": config.torchvision_quirks,
        "image": None if picture is None else _data_url(picture),
    }


def _owners(data: Mapping[str, Any], config: FCOSConfig) -> tuple[Tensor, Grid, Tensor]:
    """The boxes (M, 4), the grid, and the box of each of its locations (L,)."""
    height, width = data["size"]
    grid = Grid.of(height, width, config)
    boxes = torch.tensor(data["boxes"], dtype=torch.float32)
    owner = assign(boxes[None], torch.ones(1, len(boxes), dtype=torch.bool), grid.sizes, config)[0]
    return boxes, grid, owner


def _busiest_level(data: Mapping[str, Any], config: FCOSConfig) -> int:
    _, grid, owner = _owners(data, config)
    return int(torch.stack([(part >= 0).sum() for part in owner.split(grid.counts)]).argmax())


def _first_place(data: Mapping[str, Any], config: FCOSConfig, least: int = 9) -> list[float]:
    """A location of the smallest box that has several, a little off its centre; the middle of the image if none has."""
    boxes, grid, owner = _owners(data, config)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for index in areas.argsort(stable=True).tolist():
        own = grid.points[owner == index]
        if len(own) >= least:
            far = centerness(ltrb(own, boxes[index : index + 1])[:, 0])
            return own[(far - 0.5).abs().argmin()].tolist()
    return [data["size"][1] / 2, data["size"][0] / 2] if least == 1 else _first_place(data, config, least=1)


def _levels(height: int, width: int, config: FCOSConfig) -> list[dict[str, Any]]:
    """Of each level: its number, stride, range (null: no upper bound), and the columns and rows of its locations."""
    sizes = Grid.of(height, width, config).sizes
    columns, rows = axes([w for _, w in sizes], config), axes([h for h, _ in sizes], config)
    bounds = config.level_bounds
    return [
        {
            "name": name,
            "stride": stride,
            "low": low,
            "high": high if math.isfinite(high) else None,
            "xs": [int(x) for x in xs],
            "ys": [int(y) for y in ys],
        }
        for name, stride, low, high, xs, ys in zip(
            config.levels, config.strides, bounds, bounds[1:], columns, rows, strict=False
        )
    ]


def _size(size: tuple[int, int] | None, picture: NDArray[np.uint8] | None) -> list[int]:
    """Height and width, of the image if there is one."""
    if picture is not None:
        own = picture.shape[:2]
        if size is not None and tuple(size) != own:
            raise ValueError(f"size is {tuple(size)}, but the image is {own[0]} x {own[1]} pixels; leave size out")
        return [int(own[0]), int(own[1])]
    if size is None:
        raise ValueError("neither size nor image is given; the figure needs size=(height, width) in pixels")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size is {tuple(size)}; it must be (height, width) in pixels")
    return [int(size[0]), int(size[1])]


def _box_list(boxes: Array | Sequence[Sequence[float]], most: int = MAX_BOXES) -> list[list[float]]:
    """Boxes as rounded numbers: text that is the same on every machine."""
    rows = np.asarray(boxes, dtype=float)
    if rows.ndim != 2 or rows.shape[1] != 4:
        raise ValueError(f"boxes of shape {rows.shape}; they must be (M, 4): x0, y0, x1, y1")
    if not 1 <= len(rows) <= most:
        raise ValueError(f"{counted(len(rows), 'boxes')}; an explorer takes 1 to {most}")
    for i, (x0, y0, x1, y1) in enumerate(rows.tolist()):
        if not (x0 < x1 and y0 < y1 and all(map(math.isfinite, (x0, y0, x1, y1)))):
            raise ValueError(f"box {i} is {[x0, y0, x1, y1]}; it must have x0 < x1 and y0 < y1")
    return [[_plain(v, 2) for v in row] for row in rows.tolist()]


def _plain(value: float, digits: int) -> float | int:
    """Rounded, and without ``.0``: as JavaScript would write it."""
    rounded = round(float(value), digits)
    return int(rounded) if rounded == int(rounded) else rounded


def _labels(labels: Array | None, count: int) -> list[int]:
    if labels is None:
        return [0] * count
    kinds = [int(v) for v in np.asarray(labels).reshape(-1)]
    if len(kinds) != count:
        raise ValueError(f"{counted(len(kinds), 'labels')} for {counted(count, 'boxes')}; each box needs one")
    return kinds


def _titles(labels: Sequence[int] | None, names: Sequence[str] | None, count: int) -> list[str]:
    """A name for each box; boxes of the same class are numbered."""
    if labels is None:
        return [f"box {i + 1}" for i in range(count)]
    if names is not None and not all(0 <= label < len(names) for label in labels):
        raise ValueError(
            f"labels {sorted(set(labels))} for {counted(len(names), 'names')}; a label is an index of names"
        )
    plain = [f"class {label}" if names is None else names[label] for label in labels]
    total, seen = Counter(plain), Counter[str]()
    titles = []
    for title in plain:
        seen[title] += 1
        titles.append(f"{title} {seen[title]}" if total[title] > 1 else title)
    return titles


def _count(data: Mapping[str, Any]) -> str:
    height, width = data["size"]
    return f"{counted(len(data['boxes']), 'boxes')} in {height} x {width} pixels"


def _pixels(image: Array) -> NDArray[np.uint8]:
    """``(H, W, 3)`` uint8 of an image in either layout."""
    array = np.asarray(image)
    if array.ndim != 3 or 3 not in (array.shape[0], array.shape[2]):
        raise ValueError(f"an image of shape {array.shape}; it must be (3, H, W) or (H, W, 3)")
    if array.shape[2] != 3:
        array = array.transpose(1, 2, 0)
    return array if array.dtype == np.uint8 else np.round(255 * np.clip(array, 0.0, 1.0)).astype(np.uint8)


def _data_url(pixels: NDArray[np.uint8]) -> str:
    """The picture inside the text: PNG for drawings, JPEG where that is smaller, as for photographs."""
    image = Image.fromarray(pixels)
    png, jpeg = io.BytesIO(), io.BytesIO()
    image.quantize(256, dither=Image.Dither.NONE).save(png, format="png", optimize=True)
    image.save(jpeg, format="jpeg", quality=82, optimize=True)
    kind, content = min(("png", png.getvalue()), ("jpeg", jpeg.getvalue()), key=lambda pair: len(pair[1]))
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


# ---------------------------------------------------------------- HTML

_PALETTE = {
    "colors": COLORS,
    "sides": SIDE_COLORS,
    "levels": {str(level): color for level, color in LEVEL_COLORS.items()},
    "onLevels": {str(level): "#000000" if level >= 6 else "#ffffff" for level in LEVEL_COLORS},
    "centerness": [to_hex(CENTERNESS_COLORS(v)) for v in (0.0, 1 / 3, 2 / 3, 1.0)],
}


def _explorer(kind: str, data: dict[str, Any], text: str, caption: str) -> Piece:
    """One explorer, with all that explorers share."""
    return pack(
        kind,
        text,
        caption,
        data=data,
        more={"palette": _PALETTE},
        unnamed=("image",),
        scripts=("core", "range", "stage", kind),
        styles=("base", "explore"),
    )
