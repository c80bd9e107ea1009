"""Draw the committed pictures again: what the landing page and the README show.

    python scripts/make_pictures.py             into book/_static
    python scripts/make_pictures.py --out DIR   somewhere else
    python scripts/make_pictures.py NAME        one of them

Generated images and the detector that comes with the package: no download, no photograph of others, half a minute.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from PIL import Image, ImageColor
from torch import Tensor
from torchvision.ops import box_iou

from fcos_edu import FCOS, figures
from fcos_edu.atomic import atomic_write
from fcos_edu.centerness import centerness
from fcos_edu.data import load, transforms
from fcos_edu.inference import location_quality
from fcos_edu.locations import Grid
from fcos_edu.targets import ltrb_to_boxes

if not __package__:  # run as a file: the folder of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts import ROOT

IMAGES = (5, 37, 28, 36, 29, 11)  # of the test split, which no training run sees
THRESHOLD = 0.3


def detections() -> bytes:
    """Six unseen images with what the packaged detector finds in them, as a PNG file."""
    shapes = load("shapes", "test", num_images=max(IMAGES) + 1, transforms=transforms.eval_transforms())
    images = [shapes[index][0] for index in IMAGES]
    with torch.inference_mode():
        results = FCOS.pretrained("shapes")(images)
    figure = figures.gallery(images, results, shapes.classes, threshold=THRESHOLD, side=2.6)
    return figures.png(figure, dpi=160, colors=256)


# ---- the film of the landing page: from locations to detections in five steps ---------------------------------

FILM_IMAGE = 11  # of the test split
STEPS = (
    "Every <em>location</em> of five feature maps looks at the image.",
    "Each gives a score: does it lie in an object, near its centre?",
    "One with a high score names its box: four distances, <b>l</b>, <b>t</b>, <b>r</b>, <b>b</b>.",
    "So do all the others with a high score.",
    "Of boxes on one object, the highest score stays. These are the detections.",
)


@dataclass(frozen=True)
class Scene:
    """What the packaged detector computes on one image; everything in pixels of the image."""

    image: Tensor  # (3, H, W) uint8
    strides: tuple[int, ...]
    num_locations: int
    spots: Tensor  # (K, 2) the locations with a class score above the threshold
    scores: Tensor  # (K,) their class score times center-ness
    boxes: Tensor  # (K, 4) their boxes
    spot: Tensor  # (2,) the one whose distances are shown
    ltrb: Tensor  # (4,) its distances
    kept: Tensor  # (N, 4) the detections
    labels: list[int]
    words: list[str]  # class and score


@torch.inference_mode()
def scene() -> Scene:
    """Run the detector on one unseen image, and keep what the film shows."""
    model = FCOS.pretrained("shapes")
    shapes = load("shapes", "test", num_images=FILM_IMAGE + 1, transforms=transforms.eval_transforms())
    image, _ = shapes[FILM_IMAGE]
    height, width = image.shape[-2:]
    batch, _ = model.batcher([image], None)
    assert batch.tensor.shape[-2:] == image.shape[-2:], "the film draws in pixels of the image"
    output = model.predict(batch.tensor)
    quality = location_quality(output, model.config)
    assert quality is not None and model.config.normalize_targets
    grid = Grid.of(height, width, model.config)
    points = grid.points
    distances = output.distances[0] * grid.strides[:, None]
    boxes = ltrb_to_boxes(points, distances)
    probability, label = output.logits[0].sigmoid().max(dim=1)
    sure = probability > model.config.score_threshold

    found = model([image])[0]
    found = {name: value[found["scores"] >= THRESHOLD] for name, value in found.items()}
    # The film shows one location's distances: of those that find the largest object well, the one that lies least
    # in its centre, where the four differ most.
    largest = (found["boxes"][:, 2:] - found["boxes"][:, :2]).prod(dim=1).argmax()
    close = box_iou(boxes, found["boxes"][largest, None])[:, 0] > 0.95
    good = sure & close & (label == found["labels"][largest])
    one = centerness(distances).masked_fill(~good, 2.0).argmin()
    words = [f"{shapes.classes[k]} {score:.2f}" for k, score in zip(found["labels"], found["scores"].tolist())]
    return Scene(
        (image * 255).round().to(torch.uint8), model.config.strides, len(points), points[sure],
        (probability * quality[0])[sure], boxes[sure], points[one], distances[one], found["boxes"],
        found["labels"].tolist(), words,
    )  # fmt: skip


def scene_png(shown: Scene) -> bytes:
    """The image of the film, without anything drawn on it."""
    file = io.BytesIO()
    picture = Image.fromarray(shown.image.permute(1, 2, 0).numpy())
    picture.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(file, format="png", optimize=True)
    return file.getvalue()


FILM = """\
<!-- Written by scripts/make_pictures.py from the packaged detector's own numbers. Do not edit. -->
<figure class="film" data-step="{last}">
<svg viewBox="0 0 {width} {height}" role="img"
 aria-label="A generated image, and what the detector of this book finds in it: {what}">
<defs>{patterns}</defs>
<image href="_static/landing/scene.png" width="{width}" height="{height}"/>
<g class="film-grid">{grids}</g>
<g class="film-spots">{spots}</g>
<g class="film-boxes">{boxes}</g>
<g class="film-sides">{sides}</g>
<g class="film-kept">{kept}</g>
</svg>
<figcaption><ol>{captions}</ol></figcaption>
<div class="film-controls" hidden>
<button type="button" class="film-play" aria-label="Pause"><span></span></button>{buttons}
</div>
</figure>
"""


def film(shown: Scene) -> bytes:
    """The film as a piece of HTML: a drawing whose groups book/_static/landing.css shows step by step."""
    height, width = shown.image.shape[-2:]
    steps = range(1, len(STEPS) + 1)
    text = FILM.format(
        last=len(STEPS),
        width=width,
        height=height,
        what=", ".join(shown.words),
        patterns="".join(
            f'<pattern id="film-{s}" width="{s}" height="{s}" patternUnits="userSpaceOnUse">'
            f'<circle cx="{s // 2}" cy="{s // 2}" r="{0.5 + s / 18:.1f}"/></pattern>'
            for s in shown.strides
        ),
        grids="".join(f'<rect width="{width}" height="{height}" fill="url(#film-{s})"/>' for s in shown.strides),
        spots=_spots(shown),
        boxes="".join(f"<rect {_corners(box)}/>" for box in shown.boxes.tolist()),
        sides=_four_sides(shown),
        kept=_labelled_boxes(shown, width),
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
    "detections.png": detections,
    "landing/scene.png": lambda: scene_png(scene()),
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
