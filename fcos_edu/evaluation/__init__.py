"""How good a detector is, and what it could be at best: COCO AP, the paper's Tables 1, 2, 4 and 7, and Fig. 7."""

from .agnostic import agnostic_metrics, precision_recall_curves, proposal_recall
from .ambiguity import ambiguity, radius_curve
from .coco_ap import METRICS, EvaluationError, coco_metrics, evaluate, metrics_table, predict, read_detections
from .quality import ambiguous_detections, four_ways, score_iou
from .recall import anchor_recall, best_possible_recall

__all__ = [
    "METRICS",
    "EvaluationError",
    "agnostic_metrics",
    "ambiguity",
    "ambiguous_detections",
    "anchor_recall",
    "best_possible_recall",
    "coco_metrics",
    "evaluate",
    "four_ways",
    "metrics_table",
    "precision_recall_curves",
    "predict",
    "proposal_recall",
    "radius_curve",
    "read_detections",
    "score_iou",
]
