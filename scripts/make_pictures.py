"""Draw the committed pictures again: what the landing page and the README show.

    python scripts/make_pictures.py             into book/_static
    python scripts/make_pictures.py --out DIR   somewhere else
    python scripts/make_pictures.py NAME        one of them

Photographs that anybody may show, as matplotlib and scikit-image bring them, and the detector of people that comes with
the package: no download, half a minute.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path

import torch
from PIL import Image, ImageColor
from torch import Tensor
from torchvision.ops import box_iou

from fcos_edu import FCOS, figures
from fcos_edu.atomic import atomic_write
from fcos_edu.centerness import centerness
from fcos_edu.data import PHOTOGRAPHS
from fcos_edu.drawing import draw_detections
from fcos_edu.inference import location_quality
from fcos_edu.locations import Grid
from fcos_edu.targets import ltrb_to_boxes

if not __package__:  # run as a file: the folder of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts import ROOT

ROW = ("collins", "camera", "hopper")
HEIGHT = 512  # pixels
THRESHOLD = 0.3


def detections() -> bytes:
    """The photographs with all that the packaged detector finds in them above the threshold, as a JPEG file."""
    model = FCOS.pretrained("people")
    images = [PHOTOGRAPHS[name].read()[0] for name in ROW]
    with torch.inference_mode():
        results = model(images)
    drawn = []
    for image, found in zip(images, results):
        found = {name: value[found["scores"] >= THRESHOLD] for name, value in found.items()}
        picture = Image.fromarray(draw_detections(image, found, model.config.class_names).permute(1, 2, 0).numpy())
        width, height = picture.size
        drawn.append(picture.resize((width * HEIGHT // height, HEIGHT), Image.Resampling.LANCZOS))
    gap = 8  # grey, which is quiet on a light page and on a dark one
    row = Image.new("RGB", (sum(each.width for each in drawn) + gap * (len(drawn) - 1), HEIGHT), "#808080")
    left = 0
    for each in drawn:
        row.paste(each, (left, 0))
        left += each.width + gap
    file = io.BytesIO()
    row.save(file, "JPEG", quality=85, optimize=True)
    return file.getvalue()


# ---- the film of the landing page: from locations to detections in five steps ---------------------------------

FILM = "collins"
FAINT = 0.05  # the lowest score that the film shows as a dot
WIDTH = 256  # of the film, in units of its drawing
STEPS = (
    "Every <em>location</em> of five feature maps looks at the image.",
    "Each gives a score: does it lie in an object, near its centre?",
    "One with a high score names its box: four distances, <b>l</b>, <b>t</b>, <b>r</b>, <b>b</b>.",
    "So do all the others with a high score.",
    "Of boxes on one object, the highest score stays. These are the detections.",
)


@dataclass(frozen=True)
class Scene:
    """What the packaged detector computes on one photograph; everything in units of the film's drawing."""

    image: Tensor  # (3, H, W) uint8, as it is shown
    size: tuple[float, float]  # height and width of the drawing
    strides: tuple[float, ...]
    spots: Tensor  # (S, 2) the locations whose score can be seen
    scores: Tensor  # (S,) their class score times center-ness
    boxes: Tensor  # (K, 4) the boxes of those with a high score, of which NMS keeps the detections
    spot: Tensor  # (2,) the one whose distances are shown
    ltrb: Tensor  # (4,) its distances
    kept: Tensor  # (N, 4) the detections
    labels: list[int]
    words: list[str]  # class and score
    credit: str  # whose the photograph is, and under which terms


@torch.inference_mode()
def scene() -> Scene:
    """Run the detector on the photograph, and keep what the film shows."""
    shown = PHOTOGRAPHS[FILM]
    image, _ = shown.read()
    model = FCOS.pretrained("people")
    batch, _ = model.batcher([image], None)
    output = model.predict(batch.tensor)
    quality = location_quality(output, model.config)
    assert quality is not None and model.config.normalize_targets
    grid = Grid.of(*batch.tensor.shape[-2:], model.config)
    unit = WIDTH / batch.sizes[0][1]  # of the drawing for a pixel of the canvas
    points = grid.points * unit
    distances = output.distances[0] * grid.strides[:, None] * unit
    boxes = ltrb_to_boxes(points, distances)
    probability, label = output.logits[0].sigmoid().max(dim=1)
    score = probability * quality[0]
    high = score >= THRESHOLD

    found = model([image])[0]
    found = {name: value[found["scores"] >= THRESHOLD] for name, value in found.items()}
    found["boxes"] = found["boxes"] * (WIDTH / image.shape[-1])
    # The film shows one location's distances: of those that find the largest object well, the one that lies least
    # in its centre, where the four differ most.
    largest = (found["boxes"][:, 2:] - found["boxes"][:, :2]).prod(dim=1).argmax()
    close = box_iou(boxes, found["boxes"][largest, None])[:, 0] > 0.9
    good = high & close & (label == found["labels"][largest])
    one = centerness(distances).masked_fill(~good, 2.0).argmin()
    names = model.config.class_names
    words = [f"{names[k]} {score:.2f}" for k, score in zip(found["labels"], found["scores"].tolist())]
    return Scene(
        image, (image.shape[-2] * WIDTH / image.shape[-1], WIDTH), tuple(s * unit for s in model.config.strides),
        points[score > FAINT], score[score > FAINT], boxes[high], points[one], distances[one], found["boxes"],
        found["labels"].tolist(), words, shown.credit,
    )  # fmt: skip


def scene_jpeg(shown: Scene) -> bytes:
    """The photograph of the film, without anything drawn on it."""
    file = io.BytesIO()
    Image.fromarray(shown.image.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=80, optimize=True)
    return file.getvalue()


HTML = """\
<!-- Written by scripts/make_pictures.py from the packaged detector's own numbers. Do not edit. -->
<figure class="film" data-step="{last}">
<svg viewBox="0 0 {width} {height}" role="img"
 aria-label="The photograph of an astronaut, and what the detector of this book finds in it: {what}">
<defs>{patterns}</defs>
<image href="_static/landing/scene.jpg" width="{width}" height="{height}"/>
<g class="film-grid">{grids}</g>
<g class="film-spots">{spots}</g>
<g class="film-boxes">{boxes}</g>
<g class="film-sides">{sides}</g>
<g class="film-kept">{kept}</g>
</svg>
<figcaption><ol>{captions}</ol><small>{credit}</small></figcaption>
<div class="film-controls" hidden>
<button type="button" class="film-play" aria-label="Pause"><span></span></button>{buttons}
</div>
</figure>
"""


def film(shown: Scene) -> bytes:
    """The film as a piece of HTML: a drawing whose groups book/_static/landing.css shows step by step."""
    height, width = (round(side) for side in shown.size)
    steps = range(1, len(STEPS) + 1)
    text = HTML.format(
        last=len(STEPS),
        width=width,
        height=height,
        what=", ".join(shown.words),
        patterns="".join(
            f'<pattern id="film-{k}" width="{s:.1f}" height="{s:.1f}" patternUnits="userSpaceOnUse">'
            f'<circle cx="{s / 2:.1f}" cy="{s / 2:.1f}" r="{0.5 + s / 18:.1f}"/></pattern>'
            for k, s in enumerate(shown.strides)
        ),
        grids="".join(
            f'<rect width="{width}" height="{height}" fill="url(#film-{k})"/>' for k in range(len(shown.strides))
        ),
        spots=_spots(shown),
        boxes="".join(f"<rect {_corners(box)}/>" for box in shown.boxes.tolist()),
        sides=_four_sides(shown),
        kept=_labelled_boxes(shown, width),
        credit=escape(shown.credit),
        captions="".join(f'<li data-step="{k}">{words}</li>' for k, words in zip(steps, STEPS)),
        buttons="".join(
            f'<button type="button" data-step="{k}" aria-label="Step {k} of {len(STEPS)}"></button>' for k in steps
        ),
    )
    return text.encode()


def _corners(box: list[float]) -> str:
    """A box as the attributes of an SVG rectangle."""
    x0, y0, x1, y1 = box
    return f'x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}"'


def _spots(shown: Scene) -> str:
    """The locations with a high score; the higher it is, the larger and the less transparent."""
    parts = []
    for (x, y), share in zip(shown.spots.tolist(), (shown.scores / shown.scores.max()).tolist()):
        size = f'r="{1 + 3.5 * share:.1f}" fill-opacity="{0.3 + 0.7 * share:.2f}"'
        parts.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" {size}/>')
    return "".join(parts)


def _four_sides(shown: Scene) -> str:
    """One location, its four distances with their letters, and the box that they name."""
    (x, y), (left, top, right, bottom) = shown.spot.tolist(), shown.ltrb.tolist()
    box = _corners(ltrb_to_boxes(shown.spot, shown.ltrb).tolist())
    parts = [f'<rect class="halo" {box}/><rect class="box" {box}/>']
    ends = {"l": (x - left, y), "t": (x, y - top), "r": (x + right, y), "b": (x, y + bottom)}
    for side, (u, v) in ends.items():
        line = f'pathLength="1" d="M{x:.0f} {y:.0f}L{u:.1f} {v:.1f}"'
        parts.append(f'<path class="halo" {line}/><path class="side-{side}" {line}/>')
    parts.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3.5"/>')
    for side, (u, v) in ends.items():
        across = (5, 3) if side in "tb" else (0, -4)  # beside a line that stands, above one that lies
        at = f'x="{(x + u) / 2 + across[0]:.0f}" y="{(y + v) / 2 + across[1]:.0f}"'
        parts.append(f'<text class="side-{side}" {at}>{side}</text>')
    return "".join(parts)


def _labelled_boxes(shown: Scene, width: int) -> str:
    """The detections, the highest score last and so on top."""
    parts = []
    for box, label, word in reversed(list(zip(shown.kept.tolist(), shown.labels, shown.words))):
        plate = 4.7 * len(word) + 4
        x, y = min(max(box[0], 0.0), width - plate), box[1] - 11 if box[1] >= 11 else box[1]
        color, sides = figures.COLORS[label], _corners(box)
        ink = "#000" if sum(ImageColor.getrgb(color)) > 300 else "#fff"
        parts.append(
            f'<g fill="{color}" stroke="{color}"><rect class="halo" {sides}/><rect class="box" {sides}/>'
            f'<rect stroke="none" x="{x:.1f}" y="{y:.1f}" width="{plate:.0f}" height="11"/>'
            f'<text fill="{ink}" x="{x + 2:.1f}" y="{y + 8.5:.1f}">{word}</text></g>'
        )
    return "".join(parts)


PICTURES: dict[str, Callable[[], bytes]] = {
    "detections.jpg": detections,
    "landing/scene.jpg": lambda: scene_jpeg(scene()),
    "landing/detection.html": lambda: film(scene()),
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Draw the committed pictures again.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(PICTURES)}")
    parser.add_argument("--out", type=Path, default=ROOT / "book" / "_static", help="default: book/_static")
    args = parser.parse_args(argv)
    if unknown := sorted(set(args.names) - set(PICTURES)):
        parser.error(f"no picture {unknown[0]!r}; there are {', '.join(PICTURES)}")
    for name in args.names or PICTURES:
        path = args.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, partial(Path.write_bytes, data=PICTURES[name]()))
        print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
