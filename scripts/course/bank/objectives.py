"""What a student can do after each chapter: the objectives that plans, labs and bank refer to.

The key begins with the number of the chapter. ``LABS`` says which question of the labs tests an objective, ``QUIZ``
which level and objective each question of a chapter's quiz has, in its order.
"""

from __future__ import annotations

OBJECTIVES: dict[str, str] = {
    "1a": "count the anchors of an image, and say what must be chosen for them",
    "1b": "compute the IoU of two boxes",
    "1c": "say what anchors cost, and what FCOS does instead",
    "2a": "say where each cell of a feature map lies in the image",
    "2b": "compute the four distances of Eq. 1, and turn them back into a box",
    "2c": "decide which box a location learns",
    "3a": "draw the pyramid P3 to P7 with strides and sizes",
    "3b": "tell from max(l, t, r, b) on which level a location learns a box",
    "3c": "say what the pyramid does for recall, and what for ambiguity",
    "4a": "say which locations are ambiguous, on one map and on a pyramid",
    "4b": "show why the smallest box wins",
    "4c": "use center sampling, and say what its radius costs",
    "5a": "say what a best possible recall promises, and what it does not",
    "5b": "predict how often a box is lost, and recognise how",
    "6a": "name the shape of every map from the image to the outputs, and write the head by hand",
    "6b": "say why the head is shared, and why its distances are exp(s x)",
    "6c": "count parameters and operations, and explain the bias that is not zero",
    "7a": "say what gamma and alpha of the focal loss do",
    "7b": "compare boxes by IoU and GIoU, and say why",
    "7c": "explain why the sums are divided by N_pos of all workers",
    "8a": "write Eq. 3, and say what product and root are for",
    "8b": "compute the floor of the center-ness loss, and read its curve",
    "8c": "say what center-ness and center sampling change in the ranking",
    "9a": "test a detector by overfitting one image, and read its losses",
    "9b": "choose a learning rate for a batch, and draw the schedule",
    "9c": "say what clipping, accumulation, averages and checkpoints prevent",
    "10a": "turn a location and four numbers into a box, in the right unit",
    "10b": "rank boxes by class and center-ness, and place the threshold",
    "10c": "carry out non-maximum suppression by hand",
    "11a": "say whether a detection is a hit",
    "11b": "compute an average precision by hand",
    "11c": "compare two detectors fairly",
    "12a": "say what each row of the ablations changes, before any training",
    "12b": "judge a difference over several seeds",
    "13a": "explain the two stages of a detector with proposals",
    "13b": "say what average recall measures, and which level a region is pooled from",
    "14a": "name how torchvision's FCOS differs from the paper's, and prove that weights were converted correctly",
    "14b": "fine-tune published weights, and say what is kept",
    "15a": "read an annotation to the pixel, and recognise wrong boxes",
    "15b": "choose sizes, bounds and splits for data of your own",
    "16a": "say what a device decides, and which bits may differ",
    "16b": "fit a training into memory and minutes",
}

LABS: dict[str, str] = {
    "locations": "2a", "ltrb": "2b", "ltrb_to_boxes": "2b", "inside": "2c",
    "in_level": "3b", "near_center": "4c", "assign": "4b", "class_targets": "2c", "box_targets": "2b",
    "focal_loss": "7a", "iou_loss": "7b", "giou": "7b", "centerness": "8a", "centerness_loss": "8b", "normalize": "7c",
    "feature_sizes": "6a", "flatten_map": "6a", "tower": "6a", "prior_bias": "6c", "predicted_distances": "6b",
    "scores": "10b", "clip_boxes": "10a", "select": "10b", "nms": "10c", "batched_nms": "10c",
    "find_hits": "11a", "average_precision": "11b",
    "learning_rate": "9b", "moving_average": "9c", "resize_boxes": "15a", "paired_difference": "12b",
}  # fmt: skip

# remember: a fact; understand: a reason; apply: a case or a number; judge: what to do, what follows
LEVELS = ("remember", "understand", "apply", "judge")

QUIZ: dict[str, tuple[tuple[str, str], ...]] = {
    "01_why_no_anchors": (("understand", "1c"), ("apply", "1b"), ("understand", "1a"), ("apply", "1a")),
    "02_locations": (("apply", "2b"), ("understand", "2c"), ("remember", "2c"), ("apply", "2a")),
    "03_levels": (("apply", "3b"), ("understand", "3c"), ("understand", "3b")),
    "04_overlap": (("apply", "4a"), ("understand", "4b"), ("apply", "4c"), ("judge", "4a")),
    "05_recall": (("understand", "5a"), ("apply", "5b"), ("judge", "5b"), ("understand", "5b")),
    "06_network": (
        ("understand", "6a"), ("remember", "6b"), ("apply", "6a"), ("understand", "6b"), ("judge", "6c"),
    ),
    "07_loss": (("apply", "7a"), ("understand", "7b"), ("apply", "8b"), ("judge", "7c"), ("judge", "6c")),
    "08_centerness": (
        ("apply", "8a"), ("apply", "8a"), ("judge", "8b"), ("understand", "8c"), ("understand", "8c"),
    ),
    "09_training": (("judge", "9a"), ("apply", "9b"), ("understand", "9c"), ("apply", "9c")),
    "10_detections": (
        ("judge", "10a"), ("judge", "10b"), ("apply", "10c"), ("judge", "10b"),
    ),
    "11_average_precision": (
        ("apply", "11a"), ("understand", "11b"), ("judge", "11b"), ("understand", "11a"), ("judge", "11c"),
    ),
    "12_ablations": (("judge", "12a"), ("understand", "12a"), ("judge", "12b"), ("remember", "12a")),
    "13_proposals": (
        ("remember", "13a"), ("apply", "13a"), ("understand", "13a"), ("judge", "13b"), ("understand", "13a"),
    ),
    "14_coco": (("judge", "14a"), ("apply", "14a"), ("understand", "14b"), ("judge", "14a")),
    "15_your_boxes": (("apply", "15a"), ("judge", "15a"), ("judge", "15a"), ("apply", "15b")),
    "16_on_a_gpu": (("understand", "16a"), ("judge", "16b"), ("apply", "16b"), ("understand", "16a")),
}  # fmt: skip
