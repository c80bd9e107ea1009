"""The package of figures: its names, what it imports, and the layout of every picture.

The data behind the pictures is tested in the files beside this one: where lines, points and bars are drawn, never which
colour a pixel has.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from fcos_edu import figures
from tests.test_lazy import loaded_by

from .support import BOXES, IMAGE, NAMES, OUTPUTS, RESULT, SHAPES, assert_readable

FOLDER = Path(figures.__file__).parent
FILES = [path.stem for path in sorted(FOLDER.glob("*.py")) if path.stem not in ("__init__", "letters", "parts")]


def own_names(module: ModuleType) -> dict[str, Any]:
    """Figures, classes and constants of a file: not what it imports, and not what draws into given axes."""
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    functions = {
        name: value
        for name, value in public.items()
        if getattr(value, "__module__", "") == module.__name__
        and (inspect.isclass(value) or inspect.signature(value).return_annotation != "None")
    }
    here = Path(module.__file__ or "").stem == "style"
    return functions | {name: value for name, value in public.items() if here and (name.isupper() or name == "Array")}


@pytest.mark.parametrize("file", FILES)
def test_every_figure_of_every_file_is_a_name_of_the_package(file: str) -> None:
    module = import_module(f"fcos_edu.figures.{file}")
    own = own_names(module)
    assert own, f"{file}.py defines nothing"
    missing = own.keys() - set(dir(figures))
    assert not missing, f"figures/__init__.py must name {sorted(missing)} of {file}.py"
    for name, value in own.items():
        assert getattr(figures, name) is value


def test_no_file_has_the_name_of_a_figure() -> None:
    """`figures.detections` would be the file once something has imported it, and the figure before."""
    assert not set(FILES) & {name for name in dir(figures) if not isinstance(getattr(figures, name), ModuleType)}


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'show_box'"):
        _ = figures.show_box
    with pytest.raises(ImportError, match="show_box"):
        from fcos_edu.figures import show_box  # noqa: F401


def test_matplotlib_comes_with_the_first_figure_and_torch_never() -> None:
    assert not {"matplotlib", "numpy", "torch"} & loaded_by("from fcos_edu import figures; dir(figures)")
    drawn = loaded_by("from fcos_edu import figures; figures.bars(['a'], {'b': [1.0]}, ylabel='c')")
    assert "matplotlib.figure" in drawn and "matplotlib.pyplot" not in drawn
    assert "torch" not in loaded_by("from fcos_edu import figures; [getattr(figures, name) for name in dir(figures)]")


def test_pyplot_knows_nothing_of_the_figures() -> None:
    before = plt.get_fignums()
    assert isinstance(figures.ambiguity((15, 12), BOXES), Figure)
    assert plt.get_fignums() == before


def test_no_picture_of_numbers_is_wider_than_the_page_or_written_too_small() -> None:
    few = [0.2, 0.4, 0.6]
    drawn = [
        figures.centerness_map(np.full((3, 3), 0.5) + np.eye(3) / 4, (0, 0, 300, 30)),
        figures.centerness_map(np.full((3, 3), 0.5) + np.eye(3) / 4, (0, 0, 30, 300)),
        figures.precision_recall_by_iou({"a": dict.fromkeys((0.5, 0.75, 0.9), (few, few))}),
        figures.score_against_iou(few, few, few),
        figures.recall_by_size([1, 2, 4, 8], {"a": ([1, 1, 1], [2, 2, 2])}),
        figures.recall_by_level((3, 4, 5, 6, 7), [123_456] * 5, [1] * 5),
        figures.lost_boxes(few, few, ["between locations", "taken by smaller boxes", "outside the level's range"]),
        figures.center_sampling_curve([1, 2, None], few, few, few),
    ]
    for figure in drawn:
        assert_readable(figure, widest=7)


def test_no_figure_of_these_chapters_is_wider_than_the_page_or_written_too_small() -> None:
    levels = ((3, 4), [[(4.0, 4.0)], [(8.0, 8.0)]], [True, True], [True, False])
    case = (BOXES, 0, [[(4.0, 4.0), (12.0, 12.0)]], [[-1, -1]])
    thirds = {"a detector with a long name": [1e5, 2e5], "another one with a long name": [1e4, 2e4]}
    drawn = [
        figures.intersection_and_union((0, 0, 10, 10), (5, 2, 15, 12), (20, 20)),
        figures.counts_by_width([800, 1333], thirds, mark=(180_000, "mark"), ylabel="samples"),
        figures.anchor_coverage(BOXES, [True, False, True], BOXES, title="anchors × 0.25: "),
        figures.anchors_or_distances(IMAGE, (15, 14), (5, 4, 25, 34), BOXES, [0.1, 0.6, 0.3]),
        figures.samples_on_levels(BOXES, {"P4 alone": levels, "P3 to P7": levels}, canvas=(512, 512)),
        figures.lost_on_grid(IMAGE, BOXES, [(4.0, 4.0)], [True] * 3, (8, 16), {"measured": [1.0, 0.5]}, 16),
        figures.lost_close_up({"between": case, "thin": case, "covered": case}),
    ]
    for figure in drawn:
        figure.draw_without_rendering()
        assert figure.get_size_inches()[0] <= 7
        assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 8


def test_no_picture_of_these_chapters_is_cut_off_or_written_too_small() -> None:
    few = [0.2, 0.4, 0.6]
    drawn = [
        figures.architecture(SHAPES, convs=4, outputs=OUTPUTS, centerness="regression"),
        figures.feature_map(IMAGE, np.eye(4), "P3: 32 × 32 × 256"),
        figures.influence(IMAGE, {"a cell of C3": np.eye(40, 60), "a cell of P3": np.ones((40, 60))}, at=(3, 3)),
        figures.value_and_slope(few, {"exp(x)": (few, few)}, xlabel="x"),
        figures.level_demands(dict.fromkeys(range(3, 8), few), xlabel="pixels", limits=(0, 1), title="a title"),
        figures.shares(few, {"yes": few, "hard no": few, "easy no": few}, xlabel="γ"),
        figures.box_race((0, 0), (70, 40, 50, 60), dict.fromkeys(("−ln IoU", "1 − IoU", "1 − GIoU"), (1, 1, 1, 1))),
        figures.lines(few, dict.fromkeys(("a", "b"), dict.fromkeys(("c", "d", "e", "f"), few)), xlabel="x", ylabel="y"),
    ]
    for figure in drawn:
        assert_readable(figure, widest=8.4)


def test_no_picture_of_detections_is_wider_than_the_page_or_cut_off() -> None:
    few = [0.2, 0.4, 0.6]
    for figure in (
        figures.coordinate_errors(few, {"bfloat16": few, "float16": few, "float32": few}),
        figures.threshold_rules(few, few, {"class > 0.05": ("class", 0.05), "product": ("product", 0.04)}),
        figures.class_offsets(BOXES, [0, 1, 2], ["disc", "ring", "triangle"], 61),
        figures.score_threshold(IMAGE, RESULT, NAMES, few, [True, False, True], 0.3),
        figures.hits_and_misses(IMAGE, BOXES, [True] * 3, BOXES, [True] * 3, title="all found"),
        figures.average_precision_area(few, few, few, few, title="AP"),
        figures.two_stages(),
        figures.best_proposals(IMAGE, BOXES, BOXES, [True] * 3, title="three"),
        figures.recall_by_count([1, 10, 100], {"AR": few}),
    ):
        assert_readable(figure, widest=7)
