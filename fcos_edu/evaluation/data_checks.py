"""`check_data`: what is odd about a data set before anything is trained on it, Tables 1 and 2 on it included.

Taught in the chapter *Your own boxes*. Checked against: data sets with one fault each, the functions of Tables 1 and 2,
and a data set that is in order.

What no training can mend is found in seconds: boxes that no location may learn, pictures that stand in two splits,
classes that a split lacks. Each finding says what to change.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.ops import box_iou

from ..config import FCOSConfig
from ..data.annotations import Annotations, alike, join
from ..data.boxes import Boxes
from ..data.division import equal_pictures
from ..data.formats import splits_of
from ..data.loading import load
from ..data.sources import NAMES, SOURCES, located, named
from ..text import counted, printable, quoted
from .ambiguity import ambiguity
from .recall import best_possible_recall

FEW = 20  # boxes of a class, below which hardly anything is learnt of it
TWICE = 0.95  # IoU of two boxes of a class, from which on they are taken for one box drawn twice


@dataclass
class SplitReport:
    """What one split holds."""

    split: str
    images: int
    empty: int  # images without a box to learn
    boxes: int  # that are learnt
    ignored: int
    degenerate: int
    over_border: int  # that reach more than a pixel over it, and are cut
    twice: int  # that lie on another one of their class
    per_class: dict[str, int]
    sides: tuple[float, ...]  # sqrt(width * height): minimum, quartiles, maximum; original pixels
    resized_sides: tuple[float, ...]  # the same as the network sees them
    recall: float | None = None  # Table 1: share of the boxes that a location may learn
    lost: dict[str, int] = field(default_factory=dict)  # the others, by reason
    ambiguous: float | None = None  # Table 2: share of the positive locations that several boxes claim
    different_classes: float | None = None  # those of different classes
    notes: list[str] = field(default_factory=list)  # what the readers said


@dataclass
class DataReport:
    """What `fcos-edu data check` prints, as `str()`, and writes as JSON, by `values`."""

    name: str
    min_size: int  # of the resized images
    max_size: int
    splits: list[SplitReport]
    duplicates: dict[str, list[list[str]]]  # equal pictures "within" a split and "between" splits
    larger: dict[str, float]  # recall of the first split with a larger min_size, where something was lost
    advice: list[str]

    def values(self) -> dict[str, Any]:
        """As JSON may have it."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.name}, resized to {self.min_size} px (at most {self.max_size})"]
        rows: dict[str, list[Any]] = {
            "images": [s.images for s in self.splits], "  without boxes": [s.empty for s in self.splits],
            "boxes": [s.boxes for s in self.splits],
        }  # fmt: skip
        rows |= {f"  {printable(c)}": [s.per_class[c] for s in self.splits] for c in self.splits[0].per_class}
        rows |= {
            "ignored (crowd, difficult)": [s.ignored for s in self.splits],
            "without extent": [s.degenerate for s in self.splits],
            "over the border": [s.over_border for s in self.splits],
            "drawn twice": [s.twice for s in self.splits],
            "side, median px": [f"{s.sides[2]:.0f}" for s in self.splits],
            "  as the network sees it": [f"{s.resized_sides[2]:.0f}" for s in self.splits],
            "learnable, % (Table 1)": [_percent(s.recall) for s in self.splits],
            "ambiguous, % (Table 2)": [_percent(s.ambiguous) for s in self.splits],
            "  of different classes": [_percent(s.different_classes) for s in self.splits],
        }
        wide = max(map(len, rows))
        lines.append(" " * wide + "".join(f"{s.split or 'all':>10}" for s in self.splits))
        lines += [f"{name:<{wide}}" + "".join(f"{value:>10}" for value in values) for name, values in rows.items()]
        lines += [f"{s.split or 'all'}: {note}" for s in self.splits for note in s.notes]
        lines += [
            "",
            "What to change:" if self.advice else "Nothing to change was found.",
            *(f"- {a}" for a in self.advice),
        ]
        return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def parts_of(source: str | Path, split: str | None = None) -> tuple[str, ...]:
    """The splits of a source; "" for all of a folder without splits.

    Raises:
        FileNotFoundError: neither a folder nor a name.
    """
    if split is not None:
        return (split,)
    if str(source) in NAMES:
        return SOURCES[str(source)].splits
    place = located(source)
    if not named(place)[1].is_dir():
        raise FileNotFoundError(
            f"{str(source)!r} is neither a folder nor a known data set; the known ones are {', '.join(NAMES)}."
        )
    return splits_of(place) or ("",)


def read_parts(
    source: str | Path, split: str | None = None, **reading: Any
) -> tuple[dict[str, Annotations], dict[str, list[str]]]:
    """The annotations of each split, measured as training does it, and what was said while they were read.

    Args:
        source: a folder or a name.
        split: this one alone; by default all.
        reading: as `load` has it.
    """
    parts: dict[str, Annotations] = {}
    notes: dict[str, list[str]] = {}
    for part in parts_of(source, split):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            parts[part] = load(source, part or "train", keep_empty=True, **reading).annotations()
        told = [str(w.message).partition(": ")[2] for w in caught if issubclass(w.category, UserWarning)]
        notes[part] = told
    return alike(parts), notes


def check_data(
    source: str | Path, config: FCOSConfig, *, split: str | None = None, progress: bool = False, **reading: Any
) -> DataReport:
    """Look at all splits of a data set.

    Args:
        source: a folder in any format, or a name.
        config: of the detector that is to be trained: sizes, levels, ranges and center sampling count.
        split: this one alone; by default all.
        progress: show bars.
        reading: as `load` has it.

    Raises:
        FileNotFoundError, ValueError, CorruptImageError: as `load`.
    """
    parts, notes = read_parts(source, split, **reading)
    reports = [_report(name, part, notes[name], config, progress) for name, part in parts.items()]
    copies = _duplicates(parts)
    first = next(iter(parts.values()))
    larger: dict[str, float] = {}
    if reports[0].recall is not None and reports[0].recall < 0.999:
        boxes = Boxes.of(first)
        for factor in (1.5, 2):
            wider = config.replace(min_size=int(config.min_size * factor), max_size=int(config.max_size * factor))
            larger[str(wider.min_size)] = best_possible_recall(boxes, wider, progress=progress).recall
    name = str(source) if str(source) in NAMES else named(source)[1].name
    report = DataReport(printable(name), config.min_size, config.max_size, reports, copies, larger, [])
    report.advice = _advice(
        report, first.classes, quoted(named(source)[1]), parted=config.center_sampling_radius is not None
    )
    return report


def _report(split: str, annotations: Annotations, notes: list[str], config: FCOSConfig, progress: bool) -> SplitReport:
    cut = annotations.cut()
    with np.errstate(invalid="ignore"):
        solid = np.isfinite(annotations.boxes).all(axis=1) & (cut[:, 2:] > cut[:, :2]).all(axis=1)
    learnt = solid & ~annotations.ignored
    border = np.stack([annotations.widths, annotations.heights], axis=1)[annotations.image_index]
    over = solid & ((annotations.boxes[:, 2:] > border + 1) | (annotations.boxes[:, :2] < -1)).any(axis=1)
    counts = np.bincount(annotations.labels[learnt], minlength=len(annotations.classes))
    full = np.unique(annotations.image_index[learnt])
    report = SplitReport(
        split=split, images=annotations.images, empty=annotations.images - len(full), boxes=int(learnt.sum()),
        ignored=int(annotations.ignored.sum()), degenerate=int((~solid & ~annotations.ignored).sum()),
        over_border=int(over.sum()), twice=len(drawn_twice(annotations)),
        per_class=dict(zip(annotations.classes, counts.tolist())), sides=(0.0,) * 5, resized_sides=(0.0,) * 5,
        notes=notes,
    )  # fmt: skip
    if report.boxes:
        boxes = Boxes.of(annotations)
        scaled = boxes.resized(config)[1]
        seen = np.sqrt((scaled[:, 2:] - scaled[:, :2]).astype(np.float64).prod(axis=1))
        report.sides, report.resized_sides = _quantiles(boxes.sides), _quantiles(seen)
        found = best_possible_recall(boxes, config, progress=progress)
        report.recall, report.lost = found.recall, {name: n for name, n in found.lost().items() if n}
        shares = ambiguity(boxes, config, progress=progress)
        report.ambiguous, report.different_classes = shares.all, shares.different_classes
    return report


def _quantiles(values: Any) -> tuple[float, ...]:
    return tuple(round(float(v), 2) for v in np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))


def drawn_twice(annotations: Annotations) -> list[tuple[int, int]]:
    """Pairs of boxes of one image and class that are as good as equal, by their positions among all boxes."""
    pairs = []
    for image in range(annotations.images):
        span = annotations.of_image(image)
        if span.stop - span.start < 2:
            continue
        own = annotations.boxes[span]
        with np.errstate(invalid="ignore"):
            rows = np.flatnonzero(np.isfinite(own).all(axis=1) & (own[:, 2:] > own[:, :2]).all(axis=1))
        boxes, labels = torch.from_numpy(own[rows]), torch.from_numpy(annotations.labels[span][rows])
        alike = (box_iou(boxes, boxes) >= TWICE) & (labels[:, None] == labels)
        for a, b in alike.triu(1).nonzero().tolist():
            pairs.append((span.start + int(rows[a]), span.start + int(rows[b])))
    return pairs


def _duplicates(parts: dict[str, Annotations]) -> dict[str, list[list[str]]]:
    """Equal pictures, by their names with the split before them."""
    if any(not part.folders for part in parts.values()):  # drawn, not files
        return {"within": [], "between": []}
    whole = join(list(parts.values()), "all", renumber=True)
    owner = np.repeat(list(parts), [part.images for part in parts.values()])
    found: dict[str, list[list[str]]] = {"within": [], "between": []}
    for indices in equal_pictures(whole):
        if len({(whole.path(i)) for i in indices}) > 1:
            kind = "between" if len({owner[i] for i in indices}) > 1 else "within"
            found[kind].append(
                [f"{owner[i]}: {whole.file_names[i]}" if owner[i] else whole.file_names[i] for i in indices]
            )
    return found


def _advice(report: DataReport, classes: Sequence[str], place: str, *, parted: bool) -> list[str]:
    """A sentence for each finding, the gravest first.

    Args:
        report: with everything else.
        classes: in the order of their labels.
        place: of the data, as a command has it.
        parted: center sampling is on already.
    """
    advice = []
    between, within = report.duplicates["between"], report.duplicates["within"]
    if between:
        advice.append(
            f"{counted(len(between), 'pictures stand', 'picture stands')} in several splits, such as "
            f"{_told(between[0])}: a test on what was trained on says too much; keep each in one split alone"
        )
    if within:
        advice.append(
            f"{counted(len(within), 'pictures are', 'picture is')} there more than once, such as "
            f"{_told(within[0])}: keep one of each"
        )
    first = report.splits[0]
    if first.recall is not None and first.recall < 0.999:
        reasons = ", ".join(f"{n} {name}" for name, n in first.lost.items())
        better = next((size for size, recall in report.larger.items() if recall > (1 + first.recall) / 2), None)
        remedy = f"; with --set model.min_size={better} and max_size in proportion most of them can" if better else ""
        advice.append(f"{100 * (1 - first.recall):.2f} % of the boxes can be learnt nowhere ({reasons}){remedy}")
    if not parted and first.different_classes is not None and first.different_classes > 0.05:
        advice.append(
            f"{100 * first.different_classes:.1f} % of the locations lie in boxes of different classes: center "
            "sampling parts them (--set model.center_sampling_radius=1.5)"
        )
    total: Counter[str] = Counter()
    for part in report.splits:
        total.update(part.per_class)
    if few := [name for name in classes if first.per_class[name] < FEW]:
        told = ", ".join(f"{printable(name)} ({first.per_class[name]})" for name in few[:10])
        advice.append(
            f"fewer than {FEW} boxes to learn of {told}{', ...' if len(few) > 10 else ''}: label more, or join classes"
        )
    occurring = [n for n in first.per_class.values() if n]
    most, least = max(occurring, default=0), min(occurring, default=0)
    if least and most > 100 * least:
        advice.append(
            f"the most frequent class has {counted(most, 'boxes')}, the rarest {least}, and AP counts both alike: "
            "label more of it"
        )
    for part in report.splits[1:]:
        if missing := [name for name in classes if not part.per_class[name] and total[name]]:
            told = ", ".join(map(printable, missing[:10]))
            advice.append(
                f"{part.split} has no box of {told}: nothing is measured of it; divide anew (fcos-edu data split)"
            )
    advice += _of_boxes(report)
    if report.splits[0].split == "":
        advice.append(f"there are no splits: fcos-edu data split {place} writes lists of train, val and test")
    return advice


def _of_boxes(report: DataReport) -> list[str]:
    """A sentence for each fault of single boxes, split by split."""
    advice = []
    for part in report.splits:
        for count, many, one in (
            (
                part.degenerate,
                "boxes have no extent inside their pictures: correct or remove them",
                "box has no extent inside its picture: correct or remove it",
            ),
            (
                part.over_border,
                "boxes reach over the border and are cut: are they [x, y, width, height], or corners?",
                "box reaches over the border and is cut: is it [x, y, width, height], or corners?",
            ),
            (part.twice, "boxes are drawn twice: remove one of each", "box is drawn twice: remove one of the two"),
        ):
            if count:
                advice.append((f"{part.split}: " if part.split else "") + counted(count, many, one))
    return advice


def _told(names: Sequence[str]) -> str:
    return " and ".join(printable(name) for name in names[:2])


__all__ = ["DataReport", "SplitReport", "check_data", "drawn_twice", "parts_of", "read_parts"]
