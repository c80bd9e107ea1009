"""Pictures with detections in words: what is found, what is missed, and how many boxes are on nothing.

Used in the chapters *Training*, *From outputs to detections*, *FCOS as a proposal network* and *On a GPU*, for the
alternative texts of sliders. Checked against: the judgement of :mod:`fcos_edu.evaluation.errors` on random boxes, and
hand-made cases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torchvision.ops import box_iou

from ..text import counted, printable


def found_in_words(
    results: Sequence[Mapping[str, Tensor]],
    targets: Sequence[Mapping[str, Tensor]],
    names: Sequence[str],
    *,
    threshold: float = 0.3,
    fits: float = 0.5,
) -> str:
    """What the detections in several pictures have found, picture by picture.

    An object is found by the detection with the highest score that fits it: of its class, and with an IoU of at least
    ``fits``. Each detection finds one object at most, that which it fits best.

    Args:
        results: for each picture ``boxes`` (K, 4), xyxy, ``labels`` (K,) and ``scores`` (K,).
        targets: for each picture ``boxes`` (M, 4), in the same pixels, and ``labels`` (M,).
        names: names of the classes.
        threshold: detections with a lower score are left out, as ``fcos_edu.figures.gallery`` does.
        fits: the IoU from which a box fits.

    Returns:
        Such as "picture 1: all 3 objects found; picture 2: 2 of 4 objects found, missed: cross, ring, 1 other box".

    Raises:
        ValueError: not one result for each target.
    """
    if len(results) != len(targets):
        raise ValueError(
            f"{counted(len(results), 'results')} for {counted(len(targets), 'targets')}; give one for each picture"
        )
    pairs = enumerate(zip(results, targets), start=1)
    told = (
        f"picture {number}: {picture_in_words(*pair, names, threshold=threshold, fits=fits)}" for number, pair in pairs
    )
    return "; ".join(told)


def picture_in_words(
    result: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    names: Sequence[str],
    *,
    threshold: float = 0.3,
    fits: float = 0.5,
) -> str:
    """What the detections in one picture have found, such as "2 of 3 objects found, missed: ring, 1 other box".

    Arguments as for :func:`found_in_words`, of one picture.
    """
    shown = result["scores"] >= threshold
    found = matched({key: result[key][shown] for key in ("boxes", "labels", "scores")}, target, fits)
    others = int(shown.sum()) - int(found.sum())
    return objects_in_words(found, target["labels"], names) + (f", {counted(others, 'other boxes')}" if others else "")


def matched(result: Mapping[str, Tensor], target: Mapping[str, Tensor], fits: float = 0.5) -> Tensor:
    """Which objects of a picture are found: (M,) booleans. Arguments as for :func:`found_in_words`."""
    overlap = box_iou(result["boxes"].reshape(-1, 4).double(), target["boxes"].reshape(-1, 4).double())  # (K, M)
    overlap[result["labels"][:, None] != target["labels"][None]] = 0.0
    found = torch.zeros(overlap.shape[1], dtype=torch.bool)
    for row in overlap[result["scores"].argsort(descending=True, stable=True)]:
        left = row.masked_fill(found, 0.0)
        if left.numel() and left.max() >= fits:
            found[left.argmax()] = True
    return found


def objects_in_words(found: Tensor, labels: Tensor, names: Sequence[str]) -> str:
    """Which objects of a picture are found, such as "2 of 3 objects found, missed: ring".

    Args:
        found: (M,) booleans.
        labels: (M,) classes of the objects.
        names: names of the classes.
    """
    number, right = len(found), int(found.sum())
    if number == 0:
        return "no object"
    if right == number:
        return f"all {counted(number, 'objects')} found" if number > 1 else "its object found"
    if right == 0:
        return f"none of {counted(number, 'objects')} found" if number > 1 else "its object missed"
    missed = Counter(printable(names[label]) for label in labels[~found].tolist())
    told = ", ".join(name if count == 1 else f"{name} ({count})" for name, count in missed.items())
    return f"{right} of {counted(number, 'objects')} found, missed: {told}"
