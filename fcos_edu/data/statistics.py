"""What a data set holds: classes, boxes and their sizes, counted from the annotations alone (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked by hand on small data sets.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ..text import counted, printable
from .dataset import DetectionDataset


@dataclass(frozen=True, slots=True)
class Summary:
    """What a dataset holds; `str()` of it is the table that `fcos-edu data` prints.

    boxes_per_class counts usable boxes only, in the order of the classes. Box sides are sqrt(width · height)
    in pixels of the original image; `side_quantiles` are minimum, quartiles and maximum. `boxes_per_image` is
    minimum, mean and maximum. `left_out` is the dataset's `warning_counts`.
    """

    images: int
    images_without_boxes: int
    boxes: int
    ignored_boxes: int
    boxes_per_class: dict[str, int]
    boxes_per_image: tuple[int, float, int]
    side_quantiles: tuple[float, float, float, float, float]
    side_histogram: dict[str, int]
    image_sizes: dict[str, int]
    left_out: dict[str, int]

    def __str__(self) -> str:
        low, mean, high = self.boxes_per_image
        lines = [
            f"images            {self.images} ({self.images_without_boxes} without boxes)",
            f"boxes             {self.boxes} (and {self.ignored_boxes} ignored)",
            f"boxes per image   {low} to {high}, {mean:.1f} on average",
            "box side          " + " / ".join(f"{v:.0f}" for v in self.side_quantiles) + " px (min, quartiles, max)",
            "image sizes       " + ", ".join(f"{size} ({n})" for size, n in self.image_sizes.items()),
            "classes",
            *(f"  {printable(name):<16}{count}" for name, count in self.boxes_per_class.items()),
            "box sides",
            *(f"  {edge:<16}{count}" for edge, count in self.side_histogram.items()),
        ]
        if self.left_out:
            lines += ["left out", *(f"  {counted(count, reason)}" for reason, count in self.left_out.items())]
        return "\n".join(lines)


def summary(dataset: DetectionDataset) -> Summary:
    """Count classes, boxes and sizes of a dataset from its annotations; opens no image file."""
    truth = dataset.ground_truth()
    names = {category["id"]: category["name"] for category in truth["categories"]}
    per_image: Counter[int] = Counter({image["id"]: 0 for image in truth["images"]})
    per_class: Counter[str] = Counter(dict.fromkeys(names.values(), 0))
    sides: list[float] = []
    ignored = 0
    for annotation in truth["annotations"]:
        if annotation["iscrowd"]:
            ignored += 1
            continue
        per_image[annotation["image_id"]] += 1
        per_class[names[annotation["category_id"]]] += 1
        sides.append(float(np.sqrt(annotation["bbox"][2] * annotation["bbox"][3])))
    edges = [0, 8, 16, 32, 64, 128, 256, 512]
    counts, _ = np.histogram(sides, bins=[*edges, np.inf])
    labels = [f"{a}–{b} px" for a, b in zip(edges[:-1], edges[1:], strict=True)] + [f"over {edges[-1]} px"]
    sizes = Counter(f"{image['width']}×{image['height']}" for image in truth["images"])
    common = dict(sizes.most_common(5))
    if len(sizes) > len(common):
        common["others"] = sum(sizes.values()) - sum(common.values())
    quantiles = np.quantile(sides, [0, 0.25, 0.5, 0.75, 1]) if sides else np.zeros(5)
    numbers = list(per_image.values())
    return Summary(
        images=len(numbers),
        images_without_boxes=sum(n == 0 for n in numbers),
        boxes=len(sides),
        ignored_boxes=ignored,
        boxes_per_class={name: per_class[name] for name in dataset.classes},
        boxes_per_image=(min(numbers, default=0), len(sides) / max(len(numbers), 1), max(numbers, default=0)),
        side_quantiles=tuple(float(v) for v in quantiles),  # type: ignore[arg-type]
        side_histogram={label: int(n) for label, n in zip(labels, counts, strict=True)},
        image_sizes=common,
        left_out=dataset.warning_counts,
    )
