"""The labs and their questions by name: names and titles without torch, the questions when they are asked for.

Used by the notebooks' checks, the grader and its command. Checked against: the questions that the labs hold.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .question import Question

# module in labs/, title, minutes, questions in the order in which they are asked
LABS: dict[int, tuple[str, str, int, tuple[str, ...]]] = {
    1: ("locations", "Locations and distances", 60, ("locations", "ltrb", "ltrb_to_boxes", "inside")),
    2: (
        "levels",
        "Levels and assignment",
        90,
        ("in_level", "near_center", "assign", "class_targets", "box_targets"),
    ),
    3: (
        "losses",
        "Losses and center-ness",
        90,
        ("focal_loss", "iou_loss", "giou", "centerness", "centerness_loss", "normalize"),
    ),
    4: (
        "network",
        "Network and head",
        75,
        ("feature_sizes", "flatten_map", "tower", "prior_bias", "predicted_distances"),
    ),
    5: (
        "detections",
        "Decoding, NMS and AP",
        90,
        ("scores", "clip_boxes", "select", "nms", "batched_nms", "find_hits", "average_precision"),
    ),
    6: (
        "training",
        "Train, measure, compare",
        75,
        ("learning_rate", "moving_average", "resize_boxes", "paired_difference"),
    ),
}
NAMES = tuple(name for _, _, _, names in LABS.values() for name in names)


def find(name: str) -> Question:
    """The question of a name.

    Raises:
        ValueError: there is none; near names are told.
    """
    for module, _, _, names in LABS.values():
        if name in names:
            found: Question = getattr(import_module(f"{__package__}.labs.{module}"), name)
            return found
    near = difflib.get_close_matches(str(name), NAMES, n=3) or NAMES
    raise ValueError(f"there is no question {name!r}; there are {', '.join(near)}")


def questions(labs: list[int] | None = None) -> list[Question]:
    """The questions of some labs (None: of all), in order.

    Raises:
        ValueError: there is no such lab.
    """
    if wrong := [lab for lab in labs or () if lab not in LABS]:
        raise ValueError(f"there is no lab {wrong[0]}; labs are {', '.join(map(str, LABS))}")
    return [find(name) for lab, (_, _, _, names) in LABS.items() if labs is None or lab in labs for name in names]
