"""How good a detector is, and what it could be at best: COCO AP, the paper's Tables 1, 2, 4 and 7, and Fig. 7.

Its names are imported when they are first used. Table 2's function has its module's name, so it is imported from there:
``from fcos_edu.evaluation.ambiguity import ambiguity``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import (
        agnostic,
        ambiguity,
        coco_ap,
        detection_files,
        errors,
        findings,
        matching,
        quality,
        recall,
        reliability,
        written_detections,
    )
    from .agnostic import agnostic_metrics, precision_recall_curves, proposal_recall, recall_by_iou, tries_per_object
    from .ambiguity import radius_curve
    from .coco_ap import METRICS, EvaluationError, coco_metrics, evaluate, metrics_table, predict
    from .detection_files import read_detections
    from .errors import confusion_matrix, kinds_of_errors
    from .quality import ambiguous_detections, four_ways, score_iou
    from .recall import anchor_recall, best_possible_recall
else:
    from .._lazy import lazy

    __getattr__, __dir__ = lazy(
        __name__,
        {
            "agnostic": (
                "agnostic_metrics",
                "precision_recall_curves",
                "proposal_recall",
                "recall_by_iou",
                "tries_per_object",
            ),
            "ambiguity": ("radius_curve",),
            "coco_ap": (
                "METRICS",
                "EvaluationError",
                "coco_metrics",
                "evaluate",
                "metrics_table",
                "predict",
            ),
            "detection_files": ("read_detections",),
            "errors": ("confusion_matrix", "kinds_of_errors"),
            "quality": ("ambiguous_detections", "four_ways", "score_iou"),
            "recall": ("anchor_recall", "best_possible_recall"),
        },
        modules=(
            "agnostic",
            "ambiguity",
            "coco_ap",
            "detection_files",
            "errors",
            "findings",
            "matching",
            "quality",
            "recall",
            "reliability",
            "written_detections",
        ),
    )

__all__ = [
    "METRICS",
    "EvaluationError",
    "agnostic",
    "agnostic_metrics",
    "ambiguity",
    "ambiguous_detections",
    "anchor_recall",
    "best_possible_recall",
    "coco_ap",
    "coco_metrics",
    "confusion_matrix",
    "detection_files",
    "errors",
    "evaluate",
    "findings",
    "four_ways",
    "kinds_of_errors",
    "matching",
    "metrics_table",
    "precision_recall_curves",
    "predict",
    "proposal_recall",
    "quality",
    "radius_curve",
    "read_detections",
    "recall",
    "recall_by_iou",
    "reliability",
    "score_iou",
    "tries_per_object",
    "written_detections",
]
