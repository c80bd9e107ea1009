"""How good a detector is: COCO AP. The paper's Tables 1, 2 and 7 and Fig. 7 will stand beside it."""

from .coco_ap import METRICS, EvaluationError, coco_metrics, evaluate, metrics_table, predict

__all__ = ["METRICS", "EvaluationError", "coco_metrics", "evaluate", "metrics_table", "predict"]
