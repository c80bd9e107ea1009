"""The book's pictures: one function for each figure, plain arrays in, a matplotlib Figure out.

Figs. 1 to 8 of the paper, and what the chapters need beside them; a function that draws one of the eight says so in its
first line. Used in all chapters, first in *Why throw the anchors away*.
Checked against: the positions of the drawn lines, points and bars, which must be those of the arrays that were given.

All pictures share these rules. Coordinates are pixels of the image, y downwards, and the image fills exactly
0..width x 0..height, so that a location at 4 lies on the border between the pixels 3 and 4. Colours can be told apart
with the common colour-vision deficiencies; where a colour carries meaning, a letter, a marker, a line style or the
lightness says the same, so a grey print is readable. Nothing here touches pyplot's global state: a notebook shows a
figure once, where it is the last value of a cell.

A file for each subject, over ``letters``, ``style`` and ``parts``. All figures are names of this package, as
``figures.show_boxes``. Their file is imported when the first of them is used; so is matplotlib.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .analysis import *  # noqa: F403
    from .anchors import *  # noqa: F403
    from .boxes import *  # noqa: F403
    from .centerness import *  # noqa: F403
    from .charts import *  # noqa: F403
    from .comparisons import *  # noqa: F403
    from .inference import *  # noqa: F403
    from .levels import *  # noqa: F403
    from .locations import *  # noqa: F403
    from .losses import *  # noqa: F403
    from .measures import *  # noqa: F403
    from .network import *  # noqa: F403
    from .proposals import *  # noqa: F403
    from .style import *  # noqa: F403
    from .training import *  # noqa: F403
else:
    from .._lazy import lazy

    __getattr__, __dir__ = lazy(
        __name__,
        {
            "analysis": (
                "center_sampling_curve",
                "lost_boxes",
                "lost_close_up",
                "lost_on_grid",
                "recall_by_level",
                "recall_by_size",
            ),
            "anchors": (
                "anchor_coverage",
                "anchors_on_image",
                "anchors_or_distances",
                "counts_by_width",
                "intersection_and_union",
                "matched_anchors",
            ),
            "boxes": (
                "detections",
                "gallery",
                "show_boxes",
            ),
            "centerness": (
                "centerness_map",
                "score_against_iou",
            ),
            "charts": (
                "bars",
                "lines",
                "value_and_slope",
            ),
            "comparisons": (
                "Comparison",
                "forest",
            ),
            "inference": (
                "class_offsets",
                "coordinate_errors",
                "image_to_detections",
                "keeps",
                "origins",
                "score_threshold",
                "threshold_rules",
            ),
            "levels": (
                "box_on_levels",
                "boxes_on_levels",
                "level_assignment",
                "level_demands",
                "level_ranges",
                "positives_by_size",
                "positives_of_boxes",
                "pyramid",
                "samples_on_levels",
            ),
            "locations": (
                "ambiguity",
                "assignment",
                "bit_words",
                "four_distances",
                "location_grid",
                "locations_and_distances",
                "row_drift",
                "rows_and_columns",
            ),
            "losses": (
                "box_race",
                "iou_at_location",
                "shares",
            ),
            "measures": (
                "ablation_ladder",
                "average_precision_area",
                "hits_and_misses",
                "precision_recall",
                "precision_recall_by_iou",
            ),
            "network": (
                "architecture",
                "feature_map",
                "influence",
            ),
            "proposals": (
                "best_proposals",
                "recall_by_count",
                "region_crops",
                "two_stages",
            ),
            "style": (
                "Array",
                "CENTERNESS_COLORS",
                "COLORS",
                "FEW_BOXES",
                "HALO",
                "LEVEL_COLORS",
                "LEVEL_MARKERS",
                "LEVEL_SIZES",
                "LINES",
                "MARKERS",
                "Picture",
                "SIDE_COLORS",
                "png",
            ),
            "training": (
                "learning_rates",
                "loss_curves",
                "run_losses",
                "running_mean",
                "training_curves",
                "weight_average",
            ),
        },
    )
