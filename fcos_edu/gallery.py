"""`data_page` and `data_grid`: the boxes of a data set on their pictures, the odd ones first (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against: data sets with one odd box of each kind, the pixels of the
thumbnails, and a page that asks for nothing from outside.

Half of all trouble with a detector is seen at a glance on the labels. A page is one file that opens without a network:
thumbnails of bounded size stand inside it.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.ops import box_iou

from .data.annotations import Annotations
from .data.dataset import DetectionDataset
from .drawing import draw_detections, draw_labels
from .evaluation.data_checks import drawn_twice
from .text import counted, printable

THUMBNAIL = 320  # pixels of the longer side
ASPECT = 10  # a box that is so many times as long as wide is suspicious
WHOLE = 0.95  # a box that covers so much of its picture as well


@dataclass(frozen=True)
class Shown:
    """A picture of a section: which image, which of its boxes it is about, and why."""

    index: int
    boxes: tuple[int, ...]  # positions among all boxes of the annotations; none for the whole picture
    words: str


def suspicious(annotations: Annotations) -> list[Shown]:
    """Images with boxes that are seldom meant, those with several kinds first."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        finite = np.isfinite(annotations.boxes).all(axis=1)
        cut = annotations.cut()
        sides, own = cut[:, 2:] - cut[:, :2], annotations.boxes[:, 2:] - annotations.boxes[:, :2]
        border = np.stack([annotations.widths, annotations.heights], axis=1)[annotations.image_index]
        solid = finite & (sides > 0).all(axis=1)
        reasons: list[tuple[str, Any]] = [
            ("no extent", ~solid),
            (
                "over the border",
                solid & ((annotations.boxes[:, 2:] > border + 1) | (annotations.boxes[:, :2] < -1)).any(1),
            ),
            ("very narrow", solid & (own.max(axis=1) > ASPECT * own.min(axis=1))),
            ("nearly the whole picture", solid & (sides.prod(axis=1) > WHOLE * border.prod(axis=1))),
        ]
    twice = np.zeros(len(annotations), np.bool_)
    twice[[one for pair in drawn_twice(annotations) for one in pair]] = True
    reasons.append(("drawn twice", twice))
    told: dict[int, dict[str, list[int]]] = {}
    for words, mask in reasons:
        for k in np.flatnonzero(mask & ~annotations.ignored):
            told.setdefault(int(annotations.image_index[k]), {}).setdefault(words, []).append(int(k))
    order = sorted(told, key=lambda i: (-len(told[i]), -sum(map(len, told[i].values())), i))
    shown = []
    for i in order:
        words = ", ".join(f"{len(rows)} {reason}" for reason, rows in told[i].items())
        shown.append(Shown(i, tuple(sorted({k for rows in told[i].values() for k in rows})), words))
    return shown


def sections(annotations: Annotations, most: int, seed: int = 0) -> list[tuple[str, str, list[Shown]]]:
    """Title, explanation and pictures of each section, at most ``most`` pictures in each."""
    with np.errstate(invalid="ignore"):
        cut = annotations.cut()
        sides = np.sqrt(np.clip(cut[:, 2:] - cut[:, :2], 0, None).prod(axis=1))
        usable = np.flatnonzero(np.isfinite(annotations.boxes).all(axis=1) & (sides > 0) & ~annotations.ignored)
    counts = np.bincount(annotations.image_index[usable], minlength=annotations.images)
    by_side = usable[np.argsort(sides[usable], kind="stable")]
    crowded = [Shown(int(i), (), counted(counts[i], "boxes")) for i in np.argsort(-counts, kind="stable") if counts[i]]

    def one(k: int) -> Shown:
        return Shown(int(annotations.image_index[k]), (int(k),), f"{sides[k]:.1f} px")

    overlapping = _overlapping(annotations, usable)
    drawn = np.random.RandomState(seed).permutation(annotations.images)
    random = [Shown(int(i), (), counted(counts[i], "boxes")) for i in drawn]
    made = [
        ("Suspicious", "Boxes that are seldom meant so; look whether they are.", suspicious(annotations)),
        ("Most crowded", "The pictures with the most boxes.", crowded),
        ("Smallest", "Of each picture the part around one box, enlarged.", [one(k) for k in by_side[:most]]),
        ("Largest", "The boxes with the largest area.", [one(k) for k in by_side[::-1][:most]]),
        ("Most overlapping", "Two boxes whose locations are ambiguous: only one can learn them.", overlapping),
        ("Drawn by lot", "What the data set looks like in general.", random),
    ]
    return [(title, words, shown[:most]) for title, words, shown in made if shown]


def _overlapping(annotations: Annotations, usable: NDArray[np.int64]) -> list[Shown]:
    """Each image's pair of boxes with the highest IoU, the highest of all first."""
    found = []
    boxes = annotations.cut()
    images = annotations.image_index[usable]
    for i in np.unique(images):
        own = usable[np.searchsorted(images, i) : np.searchsorted(images, i, "right")]
        if len(own) < 2:
            continue
        tensor = torch.from_numpy(boxes[own])
        iou = box_iou(tensor, tensor).triu(1)
        value, at = iou.flatten().max(dim=0)
        if value > 0:
            a, b = divmod(int(at), len(own))
            found.append((float(value), Shown(int(i), (int(own[a]), int(own[b])), f"IoU {float(value):.2f}")))
    return [shown for _, shown in sorted(found, key=lambda pair: -pair[0])]


def thumbnail(dataset: DetectionDataset, annotations: Annotations, shown: Shown, *, zoom: bool = False) -> Image.Image:
    """A picture with its boxes, at most `THUMBNAIL` pixels wide and high.

    Args:
        dataset: whose pictures are read; one that cannot be is grey.
        annotations: of the data set.
        shown: of a section; the boxes that it is about stand out.
        zoom: show the surroundings of its first box alone.
    """
    span = annotations.of_image(shown.index)
    rows = list(range(span.start, span.stop))
    with np.errstate(invalid="ignore", over="ignore"):
        boxes = np.nan_to_num(annotations.boxes[rows], nan=0, posinf=1e6, neginf=-1e6).clip(-1e6, 1e6)
    try:
        sample = dataset.read(shown.index)
    except (OSError, RuntimeError, ValueError):
        sample = None
    if sample is None:
        return Image.new("RGB", (THUMBNAIL, THUMBNAIL * 3 // 4), "grey")
    picture = Image.fromarray(sample[0].permute(1, 2, 0).numpy())
    if zoom and shown.boxes:
        x0, y0, x1, y1 = annotations.cut()[shown.boxes[0]]
        side = max(48.0, 4 * max(x1 - x0, y1 - y0))
        left = min(max(0.0, (x0 + x1 - side) / 2), max(0.0, picture.width - side))
        top = min(max(0.0, (y0 + y1 - side) / 2), max(0.0, picture.height - side))
        right, bottom = min(picture.width, left + side), min(picture.height, top + side)
        left, top, right, bottom = int(left), int(top), int(np.ceil(right)), int(np.ceil(bottom))
        picture, boxes = picture.crop((left, top, right, bottom)), boxes - [left, top, left, top]
    scale = min(THUMBNAIL / picture.width, THUMBNAIL / picture.height, 8 if zoom else 1)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.BILINEAR if scale < 1 else Image.Resampling.NEAREST)
    edge = np.array([*size, *size])
    placed = torch.from_numpy((boxes * scale).clip(0, edge - 1)).float()
    placed[:, 2:] = torch.maximum(placed[:, 2:], placed[:, :2])
    names = [printable(name)[:30] for name in annotations.classes]
    about = [i for i, k in enumerate(rows) if k in shown.boxes] or list(range(len(rows)))
    drawn = draw_detections(
        torch.from_numpy(np.array(picture)).permute(2, 0, 1),
        {"boxes": placed[about], "labels": torch.from_numpy(annotations.labels[rows][about])},
        names if len(about) <= 12 else [""] * len(names),
    )
    return Image.fromarray(drawn.permute(1, 2, 0).numpy())


def data_page(
    parts: dict[str, DetectionDataset],
    title: str,
    *,
    most: int = 12,
    seed: int = 0,
    progress: Callable[..., None] | None = None,
) -> str:
    """A page of HTML with the sections of each split, the pictures inside it.

    Args:
        parts: the data set of each split.
        title: of the page.
        most: pictures of a section.
        seed: of those that are drawn by lot.
        progress: called after each picture.
    """
    body = []
    for split, dataset in parts.items():
        annotations = dataset.annotations()
        counts = (
            f"{counted(annotations.images, 'pictures')}, {counted(len(annotations), 'boxes')}, "
            f"{counted(len(annotations.classes), 'classes')}"
        )
        body.append(f"<h2>{_text(split or 'all')}: {counts}</h2>")
        named = ", ".join(f"{label} {name}" for label, name in enumerate(annotations.classes))
        body.append(f"<p>Classes by number: {_text(named)}</p>")
        for name, words, shown in sections(annotations, most, seed):
            figures = []
            for one in shown:
                data = base64.b64encode(_jpeg(thumbnail(dataset, annotations, one, zoom=name == "Smallest"))).decode()
                told = _text(f"{annotations.file_names[one.index]}: {one.words}")
                figures.append(
                    f'<figure><img alt="{told}" src="data:image/jpeg;base64,{data}">'
                    f"<figcaption>{told}</figcaption></figure>"
                )
                if progress is not None:
                    progress()
            body.append(f"<h3>{name}</h3><p>{words}</p><div>{''.join(figures)}</div>")
    return _PAGE.format(title=_text(title), body="\n".join(body))


def data_grid(parts: dict[str, DetectionDataset], *, most: int = 6, seed: int = 0) -> Image.Image:
    """The same as one picture, a row for each section."""
    rows: list[tuple[str, list[Image.Image]]] = []
    for split, dataset in parts.items():
        annotations = dataset.annotations()
        for name, _, shown in sections(annotations, most, seed):
            made = [thumbnail(dataset, annotations, one, zoom=name == "Smallest") for one in shown]
            rows.append((f"{split or 'all'}: {name}", made))
    cell = THUMBNAIL + 8
    grid = Image.new("RGB", (cell * most, (cell + 16) * len(rows)), "white")
    for y, (name, made) in enumerate(rows):
        top = y * (cell + 16)
        for x, picture in enumerate(made):
            grid.paste(picture, (x * cell + 4, top + 20))
        draw_labels(grid, [(4.0, float(top), 4.0, float(top))], [name], ["#ffffff"])
    return grid


def _jpeg(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=82)
    return content.getvalue()


def _text(text: str) -> str:
    return html.escape(printable(text))


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
body {{ font-family: sans-serif; margin: 1rem auto; max-width: 90rem; padding: 0 1rem; }}
div {{ display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }}
figure {{ margin: 0; max-width: 320px; }}
img {{ max-width: 100%; display: block; }}
figcaption {{ font-size: 0.8rem; overflow-wrap: anywhere; }}
</style></head><body><h1>{title}</h1>
{body}
</body></html>
"""

__all__ = ["Shown", "data_grid", "data_page", "sections", "suspicious", "thumbnail"]
