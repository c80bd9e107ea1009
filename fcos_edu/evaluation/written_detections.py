"""Detections as files for other programs: COCO's document, plain JSON, CSV, YOLO's labels.

Taught in the chapter *Your own boxes*. Checked against: the package's own readers, which must find the same boxes, for
names of every kind.

A table of detections is text that grows: a beginning, a part for each picture, an end. So it can be whole after each
picture, and need not be held in memory. Boxes are rounded to a hundredth of a pixel, scores to four digits; of YOLO,
whose boxes are shares, nothing that a picture of 10,000 pixels would show is lost.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..text import printable


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture or a frame of a video, and what was found in it."""

    number: int  # from 1 on
    name: str  # of the file; of a frame, of the file that it would be
    height: int  # in pixels
    width: int
    found: dict[str, Tensor]  # boxes (K, 4) xyxy in pixels, scores (K,), labels (K,)
    frame: int | None = None  # from 0 on; of a picture None
    seconds: float = 0.0  # of a frame, since the first one

    @property
    def rows(self) -> list[tuple[tuple[float, ...], float, int]]:
        """Box, score and label of each detection."""
        columns = (self.found[name].tolist() for name in ("boxes", "scores", "labels"))
        return [(tuple(round(v, 2) for v in box), round(score, 4), label) for box, score, label in zip(*columns)]


class Table:
    """A file that has all detections of several pictures, or of a video; the text of a part ends where the next begins.

    Args:
        classes: names by label; without names, labels are written as numbers.
        video: the name of the video that the frames are of.
    """

    suffix = ".json"

    def __init__(self, classes: Sequence[str], video: str | None = None) -> None:
        self.classes, self.video, self.empty = tuple(classes), video, True

    def begin(self) -> str:
        """What comes before the first picture."""
        raise NotImplementedError

    def part(self, seen: Seen) -> str:
        """What a picture adds; they are asked for in their order."""
        raise NotImplementedError

    def end(self) -> str:
        """What comes after the last one so far."""
        raise NotImplementedError

    def name_of(self, label: int) -> str:
        """A class by its label."""
        return self.classes[label] if label < len(self.classes) else str(label)

    def _next(self) -> str:
        """What parts the entries of a list."""
        before, self.empty = "\n" if self.empty else ",\n", False
        return before


class Coco(Table):
    """COCO's document: images, annotations with scores, categories. ``evaluate --detections`` reads it.

    Args:
        classes, video: as :class:`Table`.
        count: classes of the detector, for one without names.
    """

    def __init__(self, classes: Sequence[str], video: str | None = None, *, count: int = 0) -> None:
        super().__init__(classes, video)
        # torchvision's classes are numbered as COCO's categories, with the background as 0; ours start at 1.
        self.first = first = 0 if self.classes[:1] == ("__background__",) else 1
        count = max(count, len(self.classes))
        self.categories = [{"id": k + first, "name": self.name_of(k)} for k in range(1 - first, count)]
        self.images: list[dict[str, Any]] = []
        self.annotations = 0

    def begin(self) -> str:
        """Up to the first annotation."""
        return f'{{"categories": {json.dumps(self.categories)}, "annotations": ['

    def part(self, seen: Seen) -> str:
        """Its annotations; what is told of the picture itself comes at the end."""
        image: dict[str, Any] = {
            "id": seen.number, "file_name": seen.name, "height": seen.height, "width": seen.width
        }  # fmt: skip
        if seen.frame is not None:
            image |= {"video": self.video, "frame": seen.frame, "seconds": seen.seconds}
        self.images.append(image)
        text = ""
        for entry in coco_annotations(seen, first=self.annotations + 1, first_category=self.first):
            text += self._next() + json.dumps(entry)
            self.annotations += 1
        return text

    def end(self) -> str:
        """The pictures."""
        return f'], "images": {json.dumps(self.images)}}}\n'


def coco_annotations(seen: Seen, *, first: int, first_category: int) -> list[dict[str, Any]]:
    """The detections of an image as COCO writes them, boxes as x, y, width, height.

    Args:
        seen: the image.
        first: id of the first annotation.
        first_category: id of the category of label 0.
    """
    annotations = []
    columns = (seen.found[name].tolist() for name in ("boxes", "scores", "labels"))
    for identity, ((x0, y0, x1, y1), score, label) in enumerate(zip(*columns, strict=True), start=first):
        width, height = x1 - x0, y1 - y0
        annotations.append(
            {"id": identity, "image_id": seen.number, "category_id": label + first_category, "iscrowd": 0,
             "bbox": [round(v, 2) for v in (x0, y0, width, height)], "area": round(width * height, 2),
             "score": round(score, 4)}
        )  # fmt: skip
    return annotations


class Json(Table):
    """A list of pictures, or of frames with their times, each with its detections by name; boxes are corners."""

    def begin(self) -> str:
        """What holds for all."""
        what = "images" if self.video is None else "frames"
        told: dict[str, Any] = {} if self.video is None else {"video": self.video}
        return f'{json.dumps({**told, "classes": self.classes})[:-1]}, "{what}": ['

    def part(self, seen: Seen) -> str:
        """A line."""
        where = {"frame": seen.frame, "seconds": seen.seconds} if seen.frame is not None else {"file_name": seen.name}
        found = [
            {"class": self.name_of(label), "score": score, "box": box, "label": label}
            for box, score, label in seen.rows
        ]
        return self._next() + json.dumps({**where, "width": seen.width, "height": seen.height, "detections": found})

    def end(self) -> str:
        """The end of the list."""
        return "\n]}\n"


class Csv(Table):
    """A line for each detection, under the names of columns that labelling tools have, and a score.

    A picture in which nothing was found has a line without a box.
    """

    suffix = ".csv"
    COLUMNS = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax", "score")

    def begin(self) -> str:
        """The header."""
        return self._line(*self.COLUMNS, *(() if self.video is None else ("frame", "seconds")))

    def part(self, seen: Seen) -> str:
        """Its lines."""
        where = (seen.name, seen.width, seen.height)
        when = () if seen.frame is None else (seen.frame, seen.seconds)
        lines = [self._line(*where, self.name_of(label), *box, score, *when) for box, score, label in seen.rows]
        return "".join(lines) or self._line(*where, *[""] * 6, *when)

    def end(self) -> str:
        """Nothing more."""
        return ""

    @staticmethod
    def _line(*words: object) -> str:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow([printable(word) for word in words])
        return line.getvalue()


def yolo_lines(seen: Seen) -> str:
    """A label file: ``class x_centre y_centre width height score``, in shares of the picture's sides.

    The score makes six numbers of five, so that no reader of ours takes detections for labels.
    """
    lines = []
    columns = (seen.found[name].tolist() for name in ("boxes", "scores", "labels"))
    for (x0, y0, x1, y1), score, label in zip(*columns, strict=True):
        shares = (
            (x0 + x1) / 2 / seen.width, (y0 + y1) / 2 / seen.height, (x1 - x0) / seen.width, (y1 - y0) / seen.height
        )  # fmt: skip
        lines.append(f"{label} {' '.join(f'{share:.6f}' for share in shares)} {score:.4f}\n")
    return "".join(lines)


def yolo_names(classes: Sequence[str], count: int) -> str:
    """The file ``classes.txt``: a class a line, in the order of the labels."""
    names = [*classes, *map(str, range(len(classes), count))]
    return "".join(f"{printable(name)}\n" for name in names)


TABLES: dict[str, type[Table]] = {"coco": Coco, "json": Json, "csv": Csv}


def table(form: str, classes: Sequence[str], count: int, video: str | None = None) -> Table:
    """A table of one of the forms of ``TABLES``.

    Args:
        form: "coco", "json" or "csv".
        classes: names by label.
        count: how many classes there are.
        video: as :class:`Table` has it.
    """
    return Coco(classes, video, count=count) if form == "coco" else TABLES[form](classes, video)


__all__ = ["Coco", "Csv", "Json", "Seen", "TABLES", "Table", "coco_annotations", "table", "yolo_lines", "yolo_names"]
