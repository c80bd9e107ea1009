"""``fcos-edu detect``: draw detections on images, and write them as COCO-format JSON.

Taught in the chapter *From outputs to detections*. Checked against: the files that it leaves; its input stays as it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import SHARE, Commands, add_command, add_corrupt_option, add_device_option, place

if TYPE_CHECKING:
    from torch import Tensor


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "detect", run, "Draw detections on images, and write them as COCO-format JSON.",
        "detect bccd photographs/ cell.jpg --out detections",
    )  # fmt: skip
    parser.add_argument(
        "checkpoint", type=place, help="as for evaluate; torchvision:COCO_V1 for torchvision's published weights"
    )
    parser.add_argument("images", nargs="+", type=Path, help="image files, or folders of them")
    parser.add_argument(
        "--out", type=Path, default=Path("detections"), told=False, help="folder for pictures and detections.json"
    )
    parser.add_argument("--threshold", type=SHARE, default=0.3, help="lowest score to draw; the JSON has all")
    add_corrupt_option(parser)
    add_device_option(parser)


def run(arguments: argparse.Namespace) -> None:
    """Detect on files and folders: pictures and one COCO-format JSON."""
    import torch
    from PIL import Image
    from tqdm import tqdm

    from .. import data
    from ..atomic import write_json
    from ..config import FCOSConfig
    from ..detectors import load
    from ..drawing import draw_detections

    model = load(arguments.checkpoint, arguments.device)
    device = next(model.parameters()).device
    config: FCOSConfig = model.config  # type: ignore[assignment]
    names = config.class_names
    files = list_images(arguments.images)
    arguments.out.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    skipped = 0
    taken = {file.resolve() for file in files}  # neither an input nor another result is ever written over
    # torchvision's classes are numbered as COCO's categories, with the background as 0; ours start at 1.
    first_id = 0 if names[:1] == ("__background__",) else 1
    for number, file in enumerate(tqdm(files, desc="detect", unit="image"), start=1):
        try:
            image = data.read_image(file)
        except data.CorruptImageError as error:
            if arguments.on_corrupt == "error":
                raise
            print(f"skipped: {error}", file=sys.stderr)
            skipped += 1
            continue
        pixels = image.as_subclass(torch.Tensor)
        with torch.inference_mode():
            found = model([pixels.float().to(device) / 255])[0]
        images.append({"id": number, "file_name": str(file), "height": image.shape[-2], "width": image.shape[-1]})
        annotations += coco_annotations(found, number, first=len(annotations) + 1, first_category=first_id)
        shown = found["scores"] >= arguments.threshold
        drawn = draw_detections(pixels, {k: v[shown] for k, v in found.items()}, names)
        Image.fromarray(drawn.permute(1, 2, 0).numpy()).save(free_target(arguments.out, file, number, taken))
    categories = [
        {"id": k + first_id, "name": names[k] if names else str(k)} for k in range(1 - first_id, config.num_classes)
    ]
    document = {"images": images, "annotations": annotations, "categories": categories}
    write_json(arguments.out / "detections.json", document, indent=None)
    above = sum(a["score"] >= arguments.threshold for a in annotations)
    left_out = f", {skipped} unreadable images skipped" if skipped else ""
    print(f"{above} detections on {len(images)} images{left_out}: {arguments.out}")


def coco_annotations(
    found: dict[str, Tensor], image_id: int, *, first: int, first_category: int
) -> list[dict[str, Any]]:
    """The detections of an image as COCO writes them, boxes as x, y, width, height.

    Args:
        found: ``boxes`` (K, 4) xyxy in pixels, ``scores`` (K,), ``labels`` (K,).
        image_id: of the image.
        first: id of the first annotation.
        first_category: id of the category of label 0.
    """
    columns = (found[name].tolist() for name in ("boxes", "scores", "labels"))
    annotations = []
    for identity, ((x0, y0, x1, y1), score, label) in enumerate(zip(*columns, strict=True), start=first):
        width, height = x1 - x0, y1 - y0
        annotations.append(
            {"id": identity, "image_id": image_id, "category_id": label + first_category, "iscrowd": 0,
             "bbox": [round(v, 2) for v in (x0, y0, width, height)], "area": round(width * height, 2),
             "score": round(score, 4)}
        )  # fmt: skip
    return annotations


def free_target(folder: Path, file: Path, number: int, taken: set[Path]) -> Path:
    """Where the picture of the image ``file`` can go: a name that nothing has yet, which is then ``taken``."""
    target = folder / f"{file.stem}.png"
    while target.resolve() in taken:
        target = target.with_name(f"{target.stem}-{number}.png")
    taken.add(target.resolve())
    return target


def list_images(paths: Sequence[Path]) -> list[Path]:
    """Image files as given, and those of the given folders, sorted.

    Raises:
        FileNotFoundError: a path that does not exist, or a folder without images.
    """
    from ..data.decoding import IMAGE_SUFFIXES

    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
            if not inside:
                raise FileNotFoundError(f"{path} has no images ({', '.join(IMAGE_SUFFIXES)})")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise FileNotFoundError(f"there is no image or folder {path}")
    return files
