"""Letters of every figure: large enough on a telephone, all in the picture, and none on another."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from fcos_edu import figures
from fcos_edu.figures import Comparison, letters
from fcos_edu.locations import level_locations
from tests.figures.test_figures import FILES, own_names

from .support import BOXES, IMAGE, NAMES, OUTPUTS, RESULT, SHAPES, SIZES

FEW = [0.2, 0.4, 0.6]
LONG = ["AR, ranked by object × center-ness", "AR, ranked by object score alone", "recall at an IoU of 0.5"]
POINTS = [level_locations(5, 8, 8), level_locations(3, 4, 16)]
OWNERS = [[i % 3 - 1 for i in range(40)], [0] * 12]
ANCHORS = torch.tensor([[-5.0, -3.0, 5.0, 3.0], [5.0, 4.0, 25.0, 34.0], [2.0, 2.0, 38.0, 30.0]])
MANY = RESULT | {"boxes": torch.tensor([[2.0, 12.0, 20.0, 30.0], [3.0, 13.0, 21.0, 31.0], [4.0, 13.0, 22.0, 32.0]])}
MANY |= {"scores": torch.tensor([0.9, 0.8, 0.7])}
COMPARED = Comparison("branch against computed", 1.2, (0.5, 1.9), (0.2, 2.2), 0.6, 0.9, "not told apart")
LADDER = ["FCOS", "center-ness on the regression branch", "center sampling", "GIoU", "normalization of targets"]


def log(folder: Path) -> Path:
    entry = {"lr": 0.01, "classification": 1.0, "bbox_regression": 0.5, "centerness": 0.6, "centerness_floor": 0.5}
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps({"step": step} | entry) + "\n" for step in range(20, 2000, 20)))
    return path


# As the chapters draw them: with as many panels, and with names and numbers as long.
DRAWN: dict[str, Callable[[], Figure]] = {
    "ablation_ladder": lambda: figures.ablation_ladder(
        LADDER, [37.1, 37.4, 38.1, 38.2, 38.6], at=2, baseline=(36, "R")
    ),
    "ambiguity": lambda: figures.ambiguity((184, 136), [[30, 40, 250, 230], [150, 90, 220, 200]], canvas=(256, 320)),
    "anchor_coverage": lambda: figures.anchor_coverage(BOXES, [True, False, True], ANCHORS, title="anchors × 0.25: "),
    "anchors_on_image": lambda: figures.anchors_on_image(IMAGE, {"wide": ANCHORS, "high": ANCHORS}, title="9 anchors"),
    "anchors_or_distances": lambda: figures.anchors_or_distances(IMAGE, (15, 14), (5, 4, 25, 34), ANCHORS, FEW),
    "architecture": lambda: figures.architecture(SHAPES, convs=4, outputs=OUTPUTS, centerness="regression"),
    "assignment": lambda: figures.assignment(IMAGE, BOXES, POINTS[0], OWNERS[0], title="as in the paper"),
    "average_precision_area": lambda: figures.average_precision_area(FEW, FEW, FEW, FEW, title="AP at an IoU of 0.5"),
    "bars": lambda: figures.bars(
        [f"{i}.5 to {i + 1}.5×\n{1000 * i} pairs" for i in range(5)],
        {"P4 alone": [100.0] * 5, "P3 to P7": [12.3] * 5, "with center sampling": [1.0] * 5},
        ylabel="pairs that compete, %",
        title="in pairs",
    ),
    "best_proposals": lambda: figures.best_proposals(IMAGE, BOXES, BOXES, [True, False, True], title="the best 1,000"),
    "bit_words": lambda: figures.bit_words(
        [3, 6, 8, 1, 0, 2, 3, 1], [7, 4, 15, 9], ["a disc", "a ring", "cross", "box"]
    ),
    "box_on_levels": lambda: figures.box_on_levels((4, 4, 336, 224), POINTS, OWNERS, (800, 1024), levels=(3, 4)),
    "box_race": lambda: figures.box_race((0, 0), (70, 40, 50, 60), dict.fromkeys(("−ln IoU", "b", "c"), (9, 9, 9, 9))),
    "boxes_on_levels": lambda: figures.boxes_on_levels(
        [3, 40, 99, 300], (0, 32, 64, 128, 256, np.inf), title="of COCO"
    ),
    "center_sampling_curve": lambda: figures.center_sampling_curve(
        [0.25, 0.5, 1, 1.5, 2, 3, 4, None], *[[0.1] * 8] * 3
    ),
    "centerness_map": lambda: figures.centerness_map(np.full((3, 3), 0.5) + np.eye(3) / 4, (0, 0, 300, 200)),
    "class_offsets": lambda: figures.class_offsets(BOXES * 6, [0, 1, 4], ["disc", "ring", "", "", "triangle"], 257),
    "coordinate_errors": lambda: figures.coordinate_errors(FEW, dict.fromkeys(("bfloat16", "float16", "float32"), FEW)),
    "counts_by_width": lambda: figures.counts_by_width(
        [800, 1333], dict.fromkeys(LONG, [1e4, 2e5]), mark=(9e4, "the paper"), ylabel="samples"
    ),
    "detections": lambda: figures.detections(IMAGE, MANY, NAMES, title="a crowd", truth=BOXES),
    "feature_map": lambda: figures.feature_map(IMAGE, np.eye(4), "P3: 32 × 32 × 256"),
    "forest": lambda: figures.forest([COMPARED] * 4, xlabel="AP, points", title="Table 4 on blood cells, three seeds"),
    "gallery": lambda: figures.gallery([IMAGE] * 6, [MANY, RESULT] * 3, NAMES, titles=["after 1,000 steps"] * 6),
    "hits_and_misses": lambda: figures.hits_and_misses(
        IMAGE, BOXES, [True, False, True], BOXES, [True] * 3, title="AP"
    ),
    "image_to_detections": lambda: figures.image_to_detections(
        IMAGE, POINTS, [np.ones(40), np.ones(12)], BOXES, MANY, NAMES, levels=(3, 4)
    ),
    "influence": lambda: figures.influence(
        IMAGE, dict.fromkeys(("a cell of C3", "a cell of P3"), np.eye(40, 60)), (3, 3)
    ),
    "intersection_and_union": lambda: figures.intersection_and_union(
        (60, 40, 200, 140), (100, 60, 228, 188), (210, 260)
    ),
    "learning_rates": lambda: figures.learning_rates(
        dict.fromkeys(("its first 1,000 steps", "a cosine", "c"), [1.0] * 90_000)
    ),
    "level_assignment": lambda: figures.level_assignment(IMAGE, BOXES, POINTS, OWNERS, levels=(3, 4)),
    "level_demands": lambda: figures.level_demands(
        dict.fromkeys(range(3, 8), FEW), xlabel="raw output", limits=(0, 1), title="s3 = 1.00  s4 = 1.10  s5 = 1.20"
    ),
    "level_ranges": lambda: figures.level_ranges(
        (0, 64, 128, 256, 512, np.inf), spans={f"box of {s} × {s}": (s / 2, s) for s in (40, 100, 200, 700)}
    ),
    "lines": lambda: figures.lines(
        FEW,
        dict.fromkeys(("whole box", "center sampling"), dict.fromkeys(LONG, FEW)),
        ylabel="mean",
        xlabel="true center-ness of the location",
    ),
    "location_grid": lambda: figures.location_grid(
        IMAGE, dict.fromkeys(("half stride (paper)", "no offset"), POINTS[0]), 8
    ),
    "locations_and_distances": lambda: figures.locations_and_distances(
        (120, 104), (40, 30, 260, 220), canvas=(256, 320), bars=True
    ),
    "loss_curves": lambda: figures.loss_curves(
        dict.fromkeys(("classification", "box_regression", "c"), FEW), floor=0.1
    ),
    "lost_boxes": lambda: figures.lost_boxes(
        [3, 20, 5], [40, 21, 7], ["between locations", "taken", "outside the range"]
    ),
    "lost_close_up": lambda: figures.lost_close_up(
        dict.fromkeys(("between locations", "thin", "covered by others"), (BOXES, 0, POINTS, OWNERS))
    ),
    "lost_on_grid": lambda: figures.lost_on_grid(
        IMAGE, BOXES, POINTS[0], [True, False, True], (4, 8, 16, 64), {"measured": [1, 1, 0.5, 0.1]}, 16
    ),
    "matched_anchors": lambda: figures.matched_anchors(IMAGE, BOXES, ANCHORS, [0, 0, -1]),
    "origins": lambda: figures.origins(
        IMAGE, RESULT | {"levels": torch.tensor([3, 4, 3]), "locations": torch.tensor([9, 10, 39])}, POINTS[0], NAMES
    ),
    "positives_by_size": lambda: figures.positives_by_size(np.geomspace(8, 800, 20), np.ones((20, 5))),
    "precision_recall": lambda: figures.precision_recall(dict.fromkeys(LONG, (FEW, FEW)), title="IoU 0.5"),
    "precision_recall_by_iou": lambda: figures.precision_recall_by_iou(
        dict.fromkeys(("class × center-ness", "class score alone"), dict.fromkeys((0.5, 0.75, 0.9), (FEW, FEW)))
    ),
    "pyramid": lambda: figures.pyramid(SIZES),
    "recall_by_count": lambda: figures.recall_by_count([1, 10, 100, 1000], dict.fromkeys(LONG, [*FEW, 0.9])),
    "recall_by_level": lambda: figures.recall_by_level((3, 4, 5, 6, 7), [123_456] * 5, [12_345] * 5),
    "recall_by_size": lambda: figures.recall_by_size([8, 64, 512], dict.fromkeys(LONG, ([9, 1], [9, 2]))),
    "region_crops": lambda: figures.region_crops(
        IMAGE, BOXES, {"14 × 14": [IMAGE / 255] * 3, "7 × 7": [IMAGE / 255] * 3}
    ),
    "row_drift": lambda: figures.row_drift(800, {"paper": [64, 192], "torchvision": [0, 114]}, longest=896),
    "rows_and_columns": lambda: figures.rows_and_columns(np.arange(20) % 3 > 0, np.arange(16) % 4 > 0),
    "run_losses": lambda: figures.run_losses(dict.fromkeys(LONG, FEW), 5),
    "samples_on_levels": lambda: figures.samples_on_levels(
        BOXES, dict.fromkeys(("P4 alone", "P3 to P7"), ((3, 4), POINTS, [True] * 52, [True] * 52)), canvas=(512, 512)
    ),
    "score_against_iou": lambda: figures.score_against_iou([0.5] * 12_345, [0.4] * 12_345, [0.3] * 12_345),
    "score_threshold": lambda: figures.score_threshold(IMAGE, MANY, NAMES, FEW * 1000, [True, False, True] * 1000, 0.3),
    "shares": lambda: figures.shares(FEW, {"yes": FEW, "hard no": FEW, "easy no": FEW}, xlabel="γ"),
    "show_boxes": lambda: figures.show_boxes(
        IMAGE, MANY["boxes"], [0, 1, 0], ["a rather long name", "b"], FEW, title="t"
    ),
    "threshold_rules": lambda: figures.threshold_rules(
        FEW, FEW, {"class > 0.05": ("class", 0.05), "√product > 0.2": ("product", 0.04)}, truth=[True, False, True]
    ),
    "two_stages": lambda: figures.two_stages(),
    "value_and_slope": lambda: figures.value_and_slope(
        FEW,
        dict.fromkeys(("relu(x)", "exp(x)", "exp(0.7 x)", "exp(1.3 x)"), (FEW, FEW)),
        xlabel="probability of the right answer",
        titles=("loss", "slope with respect to x"),
    ),
    "weight_average": lambda: figures.weight_average(FEW, FEW, wanted=0.3),
}


def seen(figure: Figure) -> list[Text]:
    """All letters that a drawn figure shows; ticks beyond the ends of their axis are not."""
    hidden: set[int] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not axes.axison or not low <= tick.get_loc() <= high:
                    hidden |= {id(tick.label1), id(tick.label2)}
            if not axes.axison:
                hidden |= {id(axis.label), id(axis.get_offset_text())}
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and id(text) not in hidden]
    return [text for text in texts if text.get_visible() and text.get_text().strip()]


def extent(text: Text) -> Bbox:
    """Without the empty edge that letters have."""
    return text.get_window_extent().padded(-1.0)


def assert_legible(figure: Figure, dpi: float = 100) -> None:
    width = figure.get_size_inches()[0]
    shown = min(width * dpi, letters.TELEPHONE)
    texts = seen(figure)
    assert texts
    small = {text.get_text(): text.get_fontsize() / 72 * shown / width for text in texts}
    assert min(small.values()) > 8.99, f"{min(small.values()):.1f} pixels: {min(small, key=lambda name: small[name])}"
    page = figure.bbox.padded(1.0)
    at = [(text, extent(text)) for text in texts]
    out = [text.get_text() for text, box in at if not (page.contains(*box.min) and page.contains(*box.max))]
    assert not out, f"outside of the picture: {out}"
    upright = [(text, box) for text, box in at if text.get_rotation() % 90 == 0]  # the others' extents are too large
    met = [(a.get_text(), b.get_text()) for (a, one), (b, other) in combinations(upright, 2) if one.overlaps(other)]
    assert not met, f"one on the other: {met}"


def drawing_functions() -> set[str]:
    from importlib import import_module

    own = [own_names(import_module(f"fcos_edu.figures.{file}")) for file in FILES]
    return {
        name
        for names in own
        for name, value in names.items()
        if getattr(value, "__annotations__", {}).get("return") == "Figure"
    }


def test_every_figure_of_the_package_is_looked_at() -> None:
    assert drawing_functions() == set(DRAWN) | {"training_curves"}


@pytest.mark.parametrize("name", DRAWN)
def test_every_letter_can_be_read_on_a_telephone(name: str) -> None:
    figure = DRAWN[name]()
    letters.readable(figure)
    figure.draw_without_rendering()
    assert_legible(figure)


def test_the_curves_of_a_run_can_be_read_on_a_telephone(tmp_path: Path) -> None:
    figure = figures.training_curves(log(tmp_path))
    letters.readable(figure)
    figure.draw_without_rendering()
    assert_legible(figure)


def test_a_file_of_few_pixels_has_larger_letters() -> None:
    """Frames of a moving figure: shown as large as they are, if they are narrower than the page."""
    figure = DRAWN["score_threshold"]()
    figures.png(figure, dpi=65)
    assert_legible(figure, dpi=65)


def test_a_file_has_the_enlarged_letters() -> None:
    figure = figures.Picture(figsize=(7.5, 2))
    axes = figure.subplots()
    axes.set_title("small", fontsize=5)
    figures.png(figure)
    assert axes.title.get_fontsize() == pytest.approx(72 * 9 * 7.5 / letters.TELEPHONE)
    figures.png(figure)
    assert axes.title.get_fontsize() == pytest.approx(72 * 9 * 7.5 / letters.TELEPHONE), "once is enough"


class TestWordsAtBoxes:
    def words(self, boxes: Any) -> list[Text]:
        figure = figures.show_boxes(IMAGE, boxes, [0] * len(boxes), ["disc"], [0.9] * len(boxes))
        letters.readable(figure)
        return list(figure.axes[0].texts)

    def test_words_that_would_lie_on_others_move_to_another_corner(self) -> None:
        first, second = self.words([[5, 10, 40, 30], [6, 10, 41, 31]])
        assert first.get_visible() and second.get_visible()
        assert first.get_position() == (5, 10) != second.get_position()

    def test_a_box_as_wide_as_its_picture_has_its_words(self) -> None:
        """As that of the first photograph of chapter 1: above it there is room, but not beside its corners."""
        photograph = np.zeros((600, 512, 3), dtype=np.uint8)
        box = {"boxes": torch.tensor([[0.8, 36.2, 512.0, 591.5]]), "labels": torch.tensor([0])}
        found = box | {"scores": torch.tensor([0.57])}
        figure = figures.gallery([photograph], [found], ["person"], columns=1, side=4)
        letters.readable(figure)
        (text,) = figure.axes[0].texts
        assert text.get_visible()
        at, frame = text.get_window_extent(), figure.axes[0].get_window_extent()
        assert frame.x0 - 1 <= at.x0 and at.x1 <= frame.x1 + 1 and frame.y0 - 1 <= at.y0 and at.y1 <= frame.y1 + 1

    def test_the_least_sure_of_a_crowd_go_without(self) -> None:
        visible = [text.get_visible() for text in self.words([[5, 10, 12, 14]] * 40)]
        assert visible[0] and not all(visible)
        assert visible == sorted(visible, reverse=True)


@pytest.mark.filterwarnings("ignore:constrained_layout")
def test_a_picture_as_thin_as_a_hair_is_drawn() -> None:
    assert figures.png(figures.show_boxes(np.zeros((200, 1, 3), dtype=np.uint8), [[0, 0, 1, 9]], [0], ["a"]))


class TestLines:
    def test_lines_are_about_as_long_as_each_other(self) -> None:
        rows = letters.folded("best possible recall of all boxes, %", letters.inches("best possible recall of", 10), 10)
        assert rows == "best possible recall\nof all boxes, %"

    def test_what_fits_what_has_no_blank_and_formulas_stay(self) -> None:
        for words in ("short", "a-word-without-any-blank", "$a + b + c + d$"):
            assert letters.folded(words, 10 if words == "short" else 0.1, 10) == words

    def test_a_dollar_is_a_letter_where_it_has_no_partner(self) -> None:
        """As in a name of a class: matplotlib takes two for a formula, and draws one as it is."""
        assert letters.inches("in $", 10) > letters.inches("in", 10)
        assert letters.inches(r"5 \$", 10) == letters.inches("5 $", 10)
        assert letters.folded("best possible recall in US$", 1, 10).count("\n") > 0
        figure = figures.bars(["a", "b"], {"in US$": [1, 2], "in €": [2, 3]}, ylabel="costs in $")
        figure.axes[0].set_title("a drawing of US$ and €")
        assert figures.png(figure)

    @pytest.mark.parametrize("room", [0.0, -0.1, float("nan")])
    def test_without_any_room_words_stay_as_they_are(self, room: float) -> None:
        for words in ("", "two words"):
            assert letters.folded(words, room, 10) == words

    def test_a_legend_has_as_many_columns_as_fit(self) -> None:
        def columns(names: list[str]) -> int:
            figure = figures.Picture(figsize=(5, 2))
            lines = [figure.subplots().plot([0, 1])[0] for _ in names]
            return len({text.get_window_extent().x0 for text in self.drawn(figure, lines, names)})

        assert columns(["a", "b", "c"]) == 3
        assert columns(["a name that is as long as half a page of text"] * 2) == 1

    @staticmethod
    def drawn(figure: Figure, lines: list[Any], names: list[str]) -> list[Text]:
        legend = letters.legend_outside(figure, lines, names)
        figure.draw_without_rendering()
        return legend.get_texts()


def test_names_below_an_axis_do_not_touch() -> None:
    figure = figures.Picture(figsize=(3, 2))
    axes = figure.subplots()
    axes.bar(["anchors of RetinaNet", "locations of FCOS", "three"], [1, 2, 3])
    letters.readable(figure)
    figure.draw_without_rendering()
    assert_legible(figure)
    assert [" ".join(label.get_text().split()) for label in axes.get_xticklabels()][0] == "anchors of RetinaNet"


def test_of_crowded_numbers_those_stay_that_have_room() -> None:
    """As the radii of center sampling: the last is a name, and no tick goes."""
    figure = figures.Picture(figsize=(3, 2))
    axes = figure.subplots()
    names = ["0.25", "0.5", "0.75", "1", "1.25", "1.5", "2", "2.5", "whole\nbox"]
    axes.set_xticks(range(len(names)), names)
    letters.readable(figure)
    figure.draw_without_rendering()
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert len(shown) == len(names) and shown[0] == "0.25" and shown[-1] == "whole\nbox" and "" in shown
    assert_legible(figure)
