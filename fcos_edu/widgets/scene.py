"""What the workbench shows: a picture's bytes and choices in, detections and the bytes of a drawing out.

Taught by use, in the chapters *From outputs to detections*, *COCO: published weights on your photograph* and *Your own
boxes*, through :func:`.workbench`. Checked against: the detections of the model itself, and the pixels
that must and must not change.

No widget is needed here. :func:`look` runs the network, once for each picture; :func:`find` and :func:`draw` make from
what it said what a slider asks for, fast enough to follow the hand. So the drawing is Pillow's, not matplotlib's.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..config import FCOSConfig
from ..data.decoding import known_formats
from ..drawing import COLORS, draw_labels, label_font
from ..figures.style import CENTERNESS_COLORS
from ..fonts import in_pictures
from ..images import scale_boxes
from ..inference import RankedBoxes, best_after_nms, candidates_before_nms, location_quality
from ..locations import Grid
from ..model import FCOS, Predictions
from ..network import HeadOutput
from ..places import expanded
from ..text import counted

MAX_SIDE = 1600  # pixels: a larger picture is reduced, as detectors would do anyway
PANEL_SIDE = 360  # pixels: the longer side of the picture as it is drawn
MAX_DRAWN = 1000  # candidates; more would only paint the picture over
_GAP, _HEAD = 8, 22  # pixels between panels, and of the words above them


class PictureError(ValueError):
    """No picture can be made of what was given; the message says so in a sentence for the reader."""


@dataclass(frozen=True)
class Choices:
    """What the reader of a workbench can choose."""

    score_threshold: float  # 0..1, before NMS; of class score or product, as the detector's configuration has it
    nms_threshold: float  # 0..1, an IoU
    centerness: bool  # whether it ranks the boxes
    levels: tuple[int, ...]  # those whose locations may answer: 3 for P3

    def applied(self, config: FCOSConfig) -> FCOSConfig:
        """A detector's configuration with these thresholds, and with or without center-ness."""
        return config.replace(
            score_threshold=self.score_threshold,
            nms_threshold=self.nms_threshold,
            centerness_inference=kind_of_centerness(config) if self.centerness else "none",
        )


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture, and what a detector's network said of it. Made by :func:`look`."""

    picture: Tensor  # (3, H, W) uint8
    config: FCOSConfig
    seen: Predictions  # on the CPU, whatever the network ran on
    best: Tensor  # (L,) each location's highest class score
    panel: Image.Image = field(repr=False)  # the picture as it is drawn
    faint: Image.Image = field(repr=False)  # the same in light grey, as a ground for coloured lines
    maps: dict[tuple[int, ...], Image.Image] = field(default_factory=dict, repr=False)  # center-ness, drawn before


class Found(NamedTuple):
    """What the choices make of a scene."""

    candidates: RankedBoxes  # before NMS, of the chosen levels, boxes in pixels of the picture
    kept: Tensor  # (K,) those of them that NMS leaves, highest score first

    def detection(self) -> dict[str, Tensor]:
        """The kept ones as a detection: ``boxes`` (K, 4), ``scores`` (K,), ``labels`` (K,)."""
        boxes, scores, labels, _ = self.candidates
        return {"boxes": boxes[self.kept], "scores": scores[self.kept], "labels": labels[self.kept]}


def kind_of_centerness(config: FCOSConfig) -> str:
    """How a detector gets its center-ness: by its branch, or from the distances (Eq. 3) where it has none.

    A configuration that says ``none`` or ``oracle`` is asked for what else it could do: nobody knows the true boxes of
    the reader's picture.
    """
    if config.centerness_inference in ("branch", "computed"):
        return config.centerness_inference
    return "computed" if config.centerness_branch == "none" else "branch"


# ---- a picture ----------------------------------------------------------------------------------------------------


def read_picture(source: bytes | str | Path, name: str = "") -> Tensor:
    """The picture of a file, upright: the camera's rotation flag is followed.

    :func:`~fcos_edu.data.decoding.read_image` does not follow it, because annotations are given in the stored pixels.
    Here there are none.

    Args:
        source: the content of a file, or its path.
        name: of the file, for messages; a path has its own.

    Returns:
        ``(3, H, W)`` uint8, with no side longer than ``MAX_SIDE``.

    Raises:
        PictureError: no such file, or no picture that Pillow can read.
    """
    content: io.BytesIO | Path
    if isinstance(source, bytes):
        name, content = name or "The file", io.BytesIO(source)
    else:
        name = str(source)
        try:
            content = expanded(source)
        except FileNotFoundError as error:
            raise PictureError(f"{error}.") from None
        if content.is_dir():
            raise PictureError(f"{name} is a folder; give the path of a picture.")
        if not content.is_file():
            raise PictureError(f"There is no file {name}; paths start in {Path.cwd()}.")
    try:
        with Image.open(content, formats=known_formats()) as file:
            file.draft("RGB", (MAX_SIDE, MAX_SIDE))  # a JPEG of a large camera need not be decoded in full
            picture = ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # Pillow names the object in memory, which tells a reader nothing.
        reason = "its format is not known" if isinstance(error, UnidentifiedImageError) else str(error)
        raise PictureError(f"{name} cannot be read as a picture ({reason or type(error).__name__}).") from error
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


# ---- what the detector makes of it --------------------------------------------------------------------------------


@torch.inference_mode()
def look(model: FCOS, picture: Tensor) -> Scene:
    """Run the network on a picture; afterwards the model is in the mode that it was in.

    Args:
        model: on any device.
        picture: ``(3, H, W)`` uint8.
    """
    training = model.training
    model.eval()
    try:
        (seen,) = model.predictions([picture])
    finally:
        model.train(training)
    output = _each(seen.output, lambda values: values.float().cpu())
    panel = _panel(picture)
    return Scene(
        picture,
        model.config,
        seen._replace(output=output, grid=model.grid(*seen.grid.canvas)),
        output.logits[0].amax(dim=1).sigmoid(),
        panel,
        panel.convert("L").point([170 + value // 3 for value in range(256)]).convert("RGB"),
    )


@torch.inference_mode()
def find(scene: Scene, choices: Choices) -> Found:
    """Candidates and detections: what the model itself would say with these choices, without its network.

    A level that is not chosen is left out before NMS. Top-k is taken for each level alone, so nothing of another level
    moves up.
    """
    config, seen = choices.applied(scene.config), scene.seen
    output, grid, where = _hopeful(scene, choices)
    (candidates,) = candidates_before_nms(output, grid, seen.sizes, config)
    kept = best_after_nms(candidates.boxes, candidates.scores, candidates.labels, config)
    boxes = scale_boxes(candidates.boxes, seen.sizes[0], seen.given_sizes[0])
    return Found(candidates._replace(boxes=boxes, locations=where[candidates.locations]), kept)


def _hopeful(scene: Scene, choices: Choices) -> tuple[HeadOutput, Grid, Tensor]:
    """The locations of the chosen levels that could pass the threshold, and which of all they are.

    With 91 classes and a thousand rows that is most of the time saved: no factor and no root lifts a score above the
    root of its class score, so nearly all locations are out of the question.
    """
    config, seen = scene.config, scene.seen
    least = choices.score_threshold**2 if config.sqrt_score else choices.score_threshold
    hopeful = scene.best > 0.999 * least  # rounding must not lose one
    hopeful &= torch.isin(seen.grid.levels, torch.tensor(choices.levels, dtype=torch.int64))
    where = hopeful.nonzero()[:, 0]
    grid = seen.grid
    counts = [int(part.sum()) for part in hopeful.split(grid.counts)]
    part = Grid(
        grid.canvas, tuple((count, 1) for count in counts), grid.points[where], grid.strides[where], grid.levels[where]
    )
    return _each(seen.output, lambda values: values[:, where]), part, where


def _each(output: HeadOutput, change: Callable[[Tensor], Tensor]) -> HeadOutput:
    logits, distances, centerness = output
    return HeadOutput(change(logits), change(distances), None if centerness is None else change(centerness))


def centerness_of_pixels(scene: Scene, levels: tuple[int, ...], size: tuple[int, int]) -> NDArray[np.float32]:
    """The largest center-ness that the nearest locations of the chosen levels have, for each pixel of a drawing.

    Args:
        scene: of a picture.
        levels: as in :class:`Choices`.
        size: (height, width) of the drawing.

    Returns:
        ``(height, width)`` in 0..1; 0 where no level is chosen.
    """
    quality, seen = _quality(scene), scene.seen
    nearest = np.zeros(size, np.float32)
    counts = seen.grid.counts
    parts = zip(
        scene.config.levels, seen.grid.sizes, quality.split(counts), seen.grid.points.split(counts), strict=True
    )
    for level, (height, width), values, points in parts:
        if level in levels:
            places = points.reshape(height, width, 2).numpy()
            rows = _nearest(places[:, 0, 1], seen.sizes[0][0], size[0])
            columns = _nearest(places[0, :, 0], seen.sizes[0][1], size[1])
            nearest = np.maximum(nearest, values.reshape(height, width).numpy()[rows[:, None], columns])
    return nearest


def _quality(scene: Scene) -> Tensor:
    """Center-ness of each location, (L,) in 0..1, whether it is used or not."""
    config = scene.config.replace(centerness_inference=kind_of_centerness(scene.config))
    quality = location_quality(scene.seen.output, config)
    assert quality is not None  # of these two kinds it never is
    return quality[0]


def _nearest(places: NDArray[np.float32], side: int, pixels: int) -> NDArray[np.int64]:
    """For each of the ``pixels`` that an image ``side`` long is drawn with: the nearest of some places along it."""
    middles = (np.arange(pixels) + 0.5) * (side / pixels)
    return np.searchsorted((places[1:] + places[:-1]) / 2, middles)


# ---- the drawing --------------------------------------------------------------------------------------------------


def draw(scene: Scene, found: Found, choices: Choices) -> bytes:
    """Three pictures side by side: what NMS keeps, the candidates before it, and center-ness.

    A JPEG: for photographs it is ready ten times sooner than a PNG, and a third as large on its way to the reader.

    Args:
        scene: of a picture.
        found: by :func:`find`, with the same choices.
        choices: of the reader.

    Returns:
        The content of the file.
    """
    width, height = scene.panel.size
    candidates = found.candidates
    boxes = scale_boxes(candidates.boxes, scene.seen.given_sizes[0], (height, width))
    candidates = candidates._replace(boxes=boxes)
    panels = [
        (f"boxes after NMS: {len(found.kept)}", _kept(scene, found._replace(candidates=candidates))),
        (f"candidates before: {len(boxes)}", _candidates(scene, candidates)),
        ("center-ness" if choices.centerness else "center-ness (not used)", _centerness(scene, candidates, choices)),
    ]
    sheet = Image.new("RGB", (3 * width + 2 * _GAP, height + _HEAD), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (title, drawn) in enumerate(panels):
        left = number * (width + _GAP)
        pen.text((left + 1, 3), title, font=label_font(13), fill="black")
        sheet.paste(drawn, (left, _HEAD))
    _scale(sheet)
    file = io.BytesIO()
    sheet.save(file, "jpeg", quality=80, subsampling=0)  # thin lines keep their colours
    return file.getvalue()


def _scale(sheet: Image.Image) -> None:
    """What the colours of center-ness mean, in the upper right corner, where there is room."""
    left = sheet.width - 110
    if sheet.width // 3 < 300:
        return
    pen = ImageDraw.Draw(sheet)
    sheet.paste(Image.fromarray(_colors()[None]).resize((80, 10)), (left + 14, 6))
    for x, text in ((left, "0"), (left + 99, "1")):
        pen.text((x, 3), text, font=label_font(12), fill="black")


def _panel(picture: Tensor) -> Image.Image:
    """The picture with its longer side at ``PANEL_SIDE``."""
    height, width = picture.shape[-2:]
    scale = PANEL_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    whole = Image.fromarray(picture.permute(1, 2, 0).numpy())
    return whole.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _color(label: int) -> str:
    return COLORS[label % len(COLORS)]


def _kept(scene: Scene, found: Found) -> Image.Image:
    """What NMS leaves, with names and scores; the most certain on top."""
    drawn = scene.panel.copy()
    pen = ImageDraw.Draw(drawn)
    detection = {name: values.flip(0).tolist() for name, values in found.detection().items()}
    boxes, labels = detection["boxes"], detection["labels"]
    for box, label in zip(boxes, labels, strict=True):
        pen.rectangle(box, outline=_color(label), width=2)
    texts = [
        f"{in_pictures(_name(scene, k), k)} {score:.2f}" for k, score in zip(labels, detection["scores"], strict=True)
    ]
    draw_labels(drawn, boxes, texts, [_color(label) for label in labels])
    return drawn


def _candidates(scene: Scene, candidates: RankedBoxes) -> Image.Image:
    """Every candidate as a thin line in the colour of its class; the best on top."""
    drawn = scene.faint.copy()
    pen = ImageDraw.Draw(drawn)
    boxes, _, labels, _ = (values[:MAX_DRAWN].flip(0).tolist() for values in candidates)
    for box, label in zip(boxes, labels, strict=True):
        pen.rectangle(box, outline=_color(label))
    return drawn


def _centerness(scene: Scene, candidates: RankedBoxes, choices: Choices) -> Image.Image:
    """Center-ness as colours over the picture, and a dot at each location of a candidate: the larger, the coarser."""
    width, height = scene.panel.size
    if choices.levels not in scene.maps:
        values = centerness_of_pixels(scene, choices.levels, (height, width))
        colors = Image.fromarray(_colors()[_steps(values)])
        scene.maps[choices.levels] = Image.blend(colors, scene.faint, 0.45)
    drawn = scene.maps[choices.levels].copy()
    pen = ImageDraw.Draw(drawn)
    grid, (rows, columns) = scene.seen.grid, scene.seen.sizes[0]
    places = candidates.locations.unique().flip(0)  # the finest last, on top
    own = [tuple(color) for color in _colors()[_steps(_quality(scene)[places].numpy())].tolist()]
    for (x, y), level, color in zip(grid.points[places].tolist(), grid.levels[places].tolist(), own, strict=True):
        x, y, radius = x * width / columns, y * height / rows, level
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color, outline="white")
    return drawn


@cache
def _colors() -> NDArray[np.uint8]:
    """The colours of center-ness 0..1 in 256 steps: (256, 3)."""
    return (255 * CENTERNESS_COLORS(np.linspace(0, 1, 256))[:, :3]).round().astype(np.uint8)


def _steps(values: NDArray[Any]) -> NDArray[np.uint8]:
    return (255 * values).round().astype(np.uint8)


def _name(scene: Scene, label: int) -> str:
    names = scene.config.class_names
    return names[label] if label < len(names) else str(label)


def words(scene: Scene, found: Found, choices: Choices) -> str:
    """The same in a sentence or two, for those who do not see the picture."""
    tested = "class score" if scene.config.threshold_on == "class" else "score"
    levels = ", ".join(f"P{level}" for level in choices.levels) or "no level"
    labels = found.detection()["labels"].tolist()
    kinds = Counter(_name(scene, label) for label in labels).most_common()
    listed = ", ".join(f"{number} × {name}" for name, number in kinds[:8]) + (", …" if len(kinds) > 8 else "")
    many = len(found.candidates.scores)
    drawn = f" (the best {MAX_DRAWN} are drawn)" if many > MAX_DRAWN else ""
    return (
        f"{counted(many, 'candidates')} on {levels} with a {tested} above {choices.score_threshold:.2f}{drawn}. "
        f"NMS at an IoU of {choices.nms_threshold:.2f} keeps {len(labels)}{': ' + listed if listed else ''}."
    )
