"""Explorers over what Python has worked out: receptive fields, runs at several learning rates, the matching of AP.

Taught by use, in the chapters *The network*, *Training* and *How good is it*. Checked against: the gradient of the same
cells, the runs, and pycocotools' AP of the same detections, beside what a browser shows.

The explorers of :mod:`fcos_edu.widgets.explorers` compute anew where a page has no kernel. These show what cannot be
computed there, or should not be computed twice: their numbers come from the package, when the cell runs, and the
script only walks through them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ..evaluation.matching import Matching, matching
from ..figures.style import COLORS
from ..images import IMAGE_MEAN, IMAGE_STD
from ..model import FCOS
from ..receptive import fields, influence, maps_of, size_of
from ..text import counted
from .explorers import _PALETTE, Array, _data_url, _pixels, _plain
from .piece import Piece, pack

MAX_STEPS = 80  # more is no walk


def match_explorer(
    images: Sequence[Array],
    ground_truth: Mapping[str, Any],
    results: Sequence[dict[str, Any]],
    category_id: int,
    *,
    ious: Sequence[float] = (0.5, 0.75),
    caption: str = "",
) -> Piece:
    """The matching of AP, one detection a step: which true box it is matched with and why, and the curve that grows.

    The verdicts are pycocotools', by :func:`fcos_edu.evaluation.matching.matching`.

    Args:
        images: a picture for each of the images of ``ground_truth``, in their order: ``(3, H, W)`` or ``(H, W, 3)``,
            uint8 or float 0..1, at most eight.
        ground_truth: of those images, in COCO's format; crowds are shown as such.
        results: detections in COCO's format; those of other classes are left out.
        category_id: the class.
        ious: thresholds that can be chosen, at most four.
        caption: a sentence above the figure: what to try.

    Raises:
        ValueError: not a picture for each image, no thresholds or too many, no detection of the class, or more of them
            than 80.
        EvaluationError: as for :func:`fcos_edu.evaluation.matching.matching`.
    """
    known = [int(image["id"]) for image in ground_truth["images"]]
    if len(images) != len(known) or not 1 <= len(images) <= 8:
        raise ValueError(
            f"{counted(len(images), 'pictures')} for {counted(len(known), 'images')}; each needs one, and the "
            "figure takes 1 to 8"
        )
    if not 1 <= len(ious) <= 4:
        raise ValueError(f"{counted(len(ious), 'thresholds')}; the figure takes 1 to 4")
    runs = [matching(dict(ground_truth), results, category_id, iou=iou) for iou in ious]
    steps = runs[0].steps
    if not 1 <= len(steps) <= MAX_STEPS:
        raise ValueError(
            f"{counted(len(steps), 'detections')} of category {category_id}; the figure takes 1 to {MAX_STEPS}"
        )
    pictures = [_pixels(image) for image in images]
    boxes = {number: [b for b in ground_truth["annotations"] if b["image_id"] == number] for number in known}
    truth = [[b for b in boxes[number] if b["category_id"] == category_id] for number in known]
    name = next(str(each.get("name", "object")) for each in ground_truth["categories"] if each["id"] == category_id)
    data = {
        "sizes": [list(picture.shape[:2]) for picture in pictures],
        "pictures": [_data_url(picture) for picture in pictures],
        "truth": [[_corners(box) for box in of_image] for of_image in truth],
        "crowd": [[bool(box.get("iscrowd") or box.get("ignore")) for box in of_image] for of_image in truth],
        "name": name,
        # pycocotools sorts by score alone, so the order is that of every threshold
        "found": [
            {
                "picture": known.index(step.image_id),
                "box": _corners(results[step.detection]),
                "score": _plain(step.score, 4),
            }
            for step in steps
        ],
        "runs": [_judged(run, [{box["id"]: n for n, box in enumerate(each)} for each in truth], known) for run in runs],
    }
    text = (
        f"Matching explorer: {counted(len(steps), 'detections')} of {counted(runs[0].total, 'objects')} in "
        f"{counted(len(images), 'pictures')}"
    )
    return _measured("match", data, text, caption, unnamed=("pictures",))


def _judged(run: Matching, places: Sequence[Mapping[int, int]], known: Sequence[int]) -> dict[str, Any]:
    """Verdicts, the true box of each (its place in its picture, or -1), overlaps, and who has taken it (or -1)."""
    at = [-1 if step.box is None else places[known.index(step.image_id)][step.box] for step in run.steps]
    return {
        "iou": run.iou,
        "total": run.total,
        "verdicts": [step.verdict for step in run.steps],
        "boxes": at,
        "overlaps": [_plain(step.overlap, 4) for step in run.steps],
        "by": [-1 if step.by is None else step.by for step in run.steps],
        "sampled": [_plain(value, 4) for value in run.sampled],
        "ap": _plain(run.ap, 6),
    }


def _corners(box: Mapping[str, Any]) -> list[float]:
    x, y, width, height = (float(v) for v in box["bbox"])
    return [_plain(v, 2) for v in (x, y, x + width, y + height)]


# ---------------------------------------------------------------- receptive fields

SHADES = 15  # of influence; one more is none
BLOCK = 8  # pixels of the picture to a side of a block of the stored maps


def field_explorer(
    model: FCOS,
    image: Array,
    maps: Sequence[str] = ("C3", "C4", "C5", "P3", "P4", "P5", "P6", "P7", "answer on P3"),
    *,
    most: int = 6,
    start: str = "C3",
    caption: str = "",
) -> Piece:
    """A cell of any map, and its receptive field: what it could see, by arithmetic, and what it does see, by gradient.

    The arithmetic is of each cell (:func:`fcos_edu.receptive.fields`). Gradients are of some cells, evenly spread;
    for the others the nearest of them is moved, and the figure says so.

    Args:
        model: in evaluation mode, with the tiny backbone or a ResNet.
        image: ``(3, H, W)`` float 0..1. It is shown at the size that the network gets, which must be a multiple of 8.
        maps: names of maps, as :func:`fcos_edu.receptive.fields` has them.
        most: cells along a side, of which gradients are taken: 1 to 16. The work grows with its square.
        start: the map that is shown first.
        caption: a sentence above the figure: what to try.

    Raises:
        ValueError: maps that the network does not have, ``start`` not among them, or ``most`` outside its range.
        TypeError: as for :func:`fcos_edu.receptive.fields`.
    """
    if not 1 <= most <= 16:
        raise ValueError(f"most is {most}; it must be 1 to 16 cells along a side")
    with torch.no_grad():
        canvas = model.batcher([torch.as_tensor(image)], None)[0].tensor  # (1, 3, H, W)
    pixels = canvas.detach().clone().requires_grad_()
    height, width = pixels.shape[2:]
    if height % BLOCK or width % BLOCK:
        raise ValueError(f"the canvas is {height} x {width}; its sides must be multiples of {BLOCK}")
    down, across = fields(model, height), fields(model, width)
    unknown = [name for name in (*maps, start) if name not in down]
    if unknown or start not in maps:
        raise ValueError(f"maps are {list(maps)} and start is {start!r}; the network has {list(down)}")
    values = maps_of(model, pixels)
    told = []
    for name in maps:
        rows, columns = values[name].shape[2:]
        measured = {"rows": _spread(rows, most), "columns": _spread(columns, most)}
        tiles, seen, core = [], [], []
        for row in measured["rows"]:
            for column in measured["columns"]:
                gradient = influence(values[name][0, :, row, column], pixels)  # (H, W)
                tiles.append(_shades(gradient))
                seen.append(_plain((gradient > 0).float().mean().item(), 5))
                core.append(_plain(_nine_tenths(gradient), 5))
        told.append(
            {
                "name": name,
                "rows": [[int(a), int(b) + 1] for a, b in zip(*down[name], strict=True)],
                "columns": [[int(a), int(b) + 1] for a, b in zip(*across[name], strict=True)],
                "size": size_of(model, name),
                "measured": measured,
                "seen": seen,
                "core": core,
                "atlas": _atlas(tiles, len(measured["columns"])),
            }
        )
    data = {
        "size": [height, width],
        "image": _data_url(_shown(model, canvas)),
        "block": BLOCK,
        "start": list(maps).index(start),
        "maps": told,
    }
    text = f"Receptive field explorer: {counted(len(told), 'maps')} of a picture of {height} x {width} pixels"
    # Gradients differ in their last bits between machines; they are no part of the name.
    return _measured("field", data, text, caption, unnamed=("image", "maps"))


def _spread(many: int, most: int) -> list[int]:
    """At most ``most`` of ``many`` cells, each in the middle of its part."""
    parts = min(many, most)
    return [(2 * i + 1) * many // (2 * parts) for i in range(parts)]


def _shades(gradient: Tensor) -> NDArray[np.uint8]:
    """``(H, W)`` to a number 0..15 for each block: 0 none at all, 15 the most; the root of the sum, to show tails."""
    sums = functional.avg_pool2d(gradient[None, None], BLOCK)[0, 0]
    share = (sums / sums.max().clamp(min=1e-30)).sqrt()
    return np.asarray((share * SHADES).ceil().clamp(max=SHADES), dtype=np.uint8)


def _nine_tenths(gradient: Tensor) -> float:
    """The share of the pixels, strongest first, that make nine tenths of the influence."""
    parts = gradient.flatten().sort(descending=True).values.double().cumsum(0)
    return (int((parts < 0.9 * parts[-1]).sum()) + 1) / len(parts)


def _atlas(tiles: Sequence[NDArray[np.uint8]], columns: int) -> str:
    """Tiles row by row in one picture with a palette, whose first colour is clear."""
    rows = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    image = Image.fromarray(np.concatenate(rows), mode="P")
    red, green, blue = (int(COLORS[1][i : i + 2], 16) for i in (1, 3, 5))
    image.putpalette([red, green, blue] * (SHADES + 1))
    clear = bytes([0, *(int(25 + 215 * i / SHADES) for i in range(1, SHADES + 1))])
    content = io.BytesIO()
    image.save(content, format="png", optimize=True, transparency=clear, bits=4)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _shown(model: FCOS, canvas: Tensor) -> NDArray[np.uint8]:
    """The normalised canvas ``(1, 3, H, W)`` as a picture."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (IMAGE_MEAN, IMAGE_STD))
    return _pixels((canvas[0].cpu() * std + mean).clamp(0, 1))


# ---------------------------------------------------------------- runs at several learning rates


def rates_explorer(
    runs: Sequence[Mapping[str, Any]],
    iterations: int,
    *,
    start: float | None = None,
    highest: float = 1e4,
    caption: str = "",
) -> Piece:
    """Loss and length of the gradient of real runs: a slider over learning rates, warm-up and clipping on and off.

    Args:
        runs: each with ``rate``, ``warm_up`` (steps, 0 for none), ``clip`` (longest gradient, 0 for none), ``loss`` and
            ``norm``, both ``(N,)`` of its first N steps. Fewer than ``iterations`` mean that it broke. There is one of
            every rate for each of the four, or fewer, ways; they share one warm-up and one limit.
        iterations: steps of a whole run.
        start: the rate that is shown first; None for the largest.
        highest: larger values are drawn here.
        caption: a sentence above the figure: what to try.

    Raises:
        ValueError: no run, one that is missing or there twice, values that are not finite and positive, more steps than
            ``iterations``, or ``start`` not among the rates.
    """
    rates = sorted({float(run["rate"]) for run in runs})
    ways = sorted({(int(run["warm_up"]), float(run["clip"])) for run in runs})
    warm_ups, clips = (sorted({way[i] for way in ways} - {0}) for i in (0, 1))
    if not runs or len(warm_ups) > 1 or len(clips) > 1:
        raise ValueError(
            f"{counted(len(runs), 'runs')} with the warm-ups {warm_ups} and limits {clips}; at most one of each is "
            "shown"
        )
    if sorted((float(r["rate"]), int(r["warm_up"]), float(r["clip"])) for r in runs) != [
        (rate, *way) for rate in rates for way in ways
    ]:
        raise ValueError(
            f"{counted(len(runs), 'runs')}; there must be one of each of {counted(len(rates), 'rates')} in "
            f"{counted(len(ways), 'ways')}"
        )
    chosen = rates[-1] if start is None else float(start)
    if chosen not in rates:
        raise ValueError(f"start is {start}; the runs have the rates {rates}")
    told = []
    for run in runs:
        loss, norm = (np.asarray(run[name], dtype=float) for name in ("loss", "norm"))
        fine = len(loss) == len(norm) and 1 <= len(loss) <= iterations
        if not (fine and np.isfinite(loss).all() and np.isfinite(norm).all() and min(loss.min(), norm.min()) > 0):
            raise ValueError(
                f"the run at {run['rate']} has {counted(len(loss), 'losses')} and "
                f"{counted(len(norm), 'gradients')}; it must have 1 to "
                f"{iterations} of both, finite and above 0"
            )
        told.append(
            {
                "rate": rates.index(float(run["rate"])),
                "way": [bool(run["warm_up"]), bool(run["clip"])],
                "loss": [float(f"{v:.4g}") for v in loss],
                "norm": [float(f"{v:.4g}") for v in norm],
            }
        )
    data = {
        "rates": rates,
        "warmUp": warm_ups[0] if warm_ups else 0,
        "clip": _plain(clips[0], 4) if clips else 0,
        "steps": iterations,
        "start": rates.index(chosen),
        "highest": highest,
        "runs": told,
    }
    text = (
        f"Learning rate explorer: {counted(len(runs), 'runs')} of {counted(iterations, 'steps')} at "
        f"{counted(len(rates), 'rates')}"
    )
    return _measured("rates", data, text, caption)


def _measured(kind: str, data: dict[str, Any], text: str, caption: str, *, unnamed: Sequence[str] = ()) -> Piece:
    return pack(
        kind,
        text,
        caption,
        data=data,
        more={"palette": _PALETTE},
        unnamed=unnamed,
        scripts=("range", "stage", "plot", kind),
        styles=("base", "explore", "measured"),
    )


__all__ = ["MAX_STEPS", "field_explorer", "match_explorer", "rates_explorer"]
