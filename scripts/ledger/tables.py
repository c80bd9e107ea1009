"""The rows of each equation, figure and table of the paper, under its heading, in the paper's order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fcos_edu import paper
from fcos_edu.config import FCOSConfig
from fcos_edu.training.recipes import RECIPES

from .commands import analysis, count, study, train_coco
from .rows import OWN_DATA, Line, Row, Section, comparison, held, line, origin, table
from .verdicts import NEAR_AP, NEAR_SHARE, NOT_RUN, Results, measured

# The chapters that have rows: the names of their notebooks, and their titles. A notebook's own title goes before.
CHAPTERS = {
    "02_locations": "Locations and the four distances",
    "03_levels": "Levels of the pyramid",
    "04_overlap": "When boxes overlap",
    "05_recall": "What can be found at all",
    "06_network": "The network",
    "07_loss": "The loss",
    "08_centerness": "Center-ness",
    "09_training": "Training",
    "10_detections": "From outputs to detections",
    "11_average_precision": "How good is it",
    "12_ablations": "One change at a time",
    "13_proposals": "FCOS as a proposal network",
}
(DISTANCES, LEVELS, OVERLAP, FOUND, NETWORK, LOSS, CENTERNESS, TRAINING, DETECTIONS, QUALITY, ABLATIONS, PROPOSALS) = (
    CHAPTERS
)


def method(results: Results) -> Section:
    """Equations, Figs 1, 2, 3 and 8, and what Table 3 adds to the method."""
    figures = "tests/figures/test_locations.py::TestLocations"
    hand = "values computed by hand"
    photographs = "fcos-edu detect torchvision:COCO_V1 photographs/ --out detections"
    rows = [
        held("Eq. 1", "l\\*, t\\*, r\\*, b\\*", hand, DISTANCES, "tests/test_targets.py::test_equation_1_by_hand"),
        held("Eq. 2", "the loss", hand, LOSS, "tests/test_losses.py::test_equation_2_by_hand"),
        held("Eq. 3", "center-ness", hand, CENTERNESS, "tests/test_centerness.py::test_values_by_hand"),
        held("Fig. 1, left", "four distances", "random boxes", DISTANCES,
             f"{figures}::test_four_distances_are_the_package_s"),
        held("Fig. 1, right", "a location in two boxes", "two boxes", DISTANCES,
             f"{figures}::test_the_smallest_box_around_the_location_is_the_target"),
        held("Fig. 2", "five levels, one head", "shapes and parameters, counted", NETWORK,
             "tests/test_network.py::test_every_level_has_its_size",
             "tests/test_network.py::test_levels_share_the_head",
             "tests/test_network.py::test_parameters_of_the_papers_head"),
        held("Fig. 3", "1 at the centre, 0 at the border", "Eq. 3 at every location of a box", CENTERNESS,
             "tests/test_centerness.py::test_it_falls_from_the_centre_to_the_border",
             "tests/figures/test_centerness.py::TestCenterness::test_the_map_fills_the_box_and_the_lines_lie_where_their_value_is"),
        Row("Fig. 8", "detections on photographs of COCO", DETECTIONS, NOT_RUN, data="COCO", commands=(photographs,)),
        held("Smallest area, level ranges", "rules of 3.1 and 3.2", "a loop that reads like the paper", LEVELS,
             "tests/test_targets.py::test_assign_equals_the_slow_loop"),
        held("ctr. on reg.", "the branch on the other tower", "the gradients of both towers", NETWORK,
             "tests/test_network.py::test_the_centerness_branch_sits_on_its_tower"),
        held("ctr. sampling", "only the central part is positive", "a loop that reads like the paper", OVERLAP,
             "tests/test_targets.py::test_assign_equals_the_slow_loop",
             "tests/test_targets.py::test_center_sampling_only_removes_positives"),
        held("GIoU", "GIoU in place of IoU", "torchvision's GIoU", LOSS,
             "tests/test_losses.py::test_iou_and_giou_are_torchvisions"),
        held("normalization", "Eq. 1 divided by the stride", hand, DETECTIONS,
             "tests/test_targets.py::test_targets_by_hand",
             "tests/test_inference.py::test_distances_in_strides"),
        held("oracle center-ness", "Eq. 3 of the true boxes at inference", hand, DETECTIONS,
             "tests/test_inference.py::test_centerness_of_the_oracle"),
    ]  # fmt: skip
    return Section(
        "Equations, drawings and rules",
        "Figs 4 to 7 stand below, with the tables that they belong to. So does what the changes of Table 3 gain: "
        "here are the tests that they do what they are meant to. The column *data* says what a test compares with.",
        rows,
    )


LAST_PIXEL = "{}_coco_last_pixel"  # counted with the option --last-pixel


def table_1(results: Results) -> Section:
    """Best possible recall: on COCO, up to the last pixel, and our own data row against row."""
    command = count("recall", "coco")
    lines = [line(row, "recall_coco", (key,), command) for key, row in paper.TABLE_1.items()]
    rows = table(results, "Table 1", FOUND, NEAR_SHARE, ("",), *lines)
    if (last_pixel := LAST_PIXEL.format("recall")) in results:
        lines = [line(row, last_pixel, (key,)) for key, row in paper.TABLE_1.items()]
        rows += table(results, "Table 1, boxes up to their last pixel", FOUND, NEAR_SHARE, ("",), *lines)
    *others, ours = paper.TABLE_1.values()
    rows += [
        comparison(
            results, f"Table 1: {ours.label} against {other.label}", FOUND, (ours["BPR"].text, other["BPR"].text),
            ("recall", ours.name), ("recall", other.name), data, [count("recall", data)],
        )
        for data in OWN_DATA for other in others
    ]  # fmt: skip
    return Section(
        "Table 1: best possible recall",
        "Boxes that at least one location or anchor learns, in % of all boxes. Low-quality matches are anchors "
        "that RetinaNet gives to a box although their IoU with it is below 0.5. *Boxes up to their last pixel* end "
        "at x + width - 1, as in Detectron and maskrcnn-benchmark, the code of the paper's time: a pixel narrower, "
        "so that more of the small ones fall between the locations. IoU knows no such pixel here; there it did. "
        "Blood cells and shapes are large: everybody finds nearly all of them, and their rows tell little.",
        rows,
        {
            "recall_by_size": "Best possible recall by the size of the box: boxes of COCO val2017, images resized "
            "to 800/1333. The five rows of the table, taken apart.",
            "recall_by_level": "Of the boxes that belong to each level, by half their longer side, those that no "
            "location learns.",
            "lost_boxes": "All boxes that FCOS with P3 to P7 loses. Small ones fall between the locations, thin "
            "ones hold only locations of a level with another range, and large ones lose every location to smaller "
            "boxes inside them.",
        },
    )


def table_2(results: Results) -> Section:
    """Ambiguous samples, and the detections of section 4.1 that come from them."""
    columns = {"all": "all", "different_classes": "different classes"}
    p4, fpn, found = paper.TABLE_2["p4"], paper.TABLE_2["fpn"], paper.AMBIGUOUS_DETECTIONS
    command = count("ambiguity", "coco")
    lines = [line(row, "ambiguity_coco", (key,), command) for key, row in paper.TABLE_2.items()]
    rows = table(results, "Table 2", OVERLAP, NEAR_SHARE, tuple(columns), *lines)
    if (last_pixel := LAST_PIXEL.format("ambiguity")) in results:
        lines = [line(row, last_pixel, (key,)) for key, row in paper.TABLE_2.items()]
        rows += table(results, "Table 2, boxes up to their last pixel", OVERLAP, NEAR_SHARE, tuple(columns), *lines)
    rows += [
        comparison(
            results, f"Table 2: P3 to P7 against P4 only, {name}", OVERLAP, (fpn[key].text, p4[key].text),
            ("ambiguity", "fpn", key), ("ambiguity", "p4", key), data, [count("ambiguity", data)],
        )
        for data in OWN_DATA for key, name in columns.items()
    ]  # fmt: skip
    of_a_model = line(found, "detections_plain_coco", (), analysis("detections", "coco"))
    rows += table(results, "Section 4.1", OVERLAP, NEAR_SHARE, tuple(columns), of_a_model)
    rows += [
        comparison(
            results, f"Section 4.1: detections against samples, ambiguous, {name}", OVERLAP,
            (found[key].text, fpn[key].text), ("detections_plain", key), ("detections_plain", "samples", key), data,
            analysis("detections", data),
        )
        for data in OWN_DATA for key, name in columns.items()
    ]  # fmt: skip
    return Section(
        "Table 2: ambiguous samples",
        "Locations that could learn several boxes, in % of all positive ones: all / boxes of different classes. "
        "Below them, the detections that come from such locations, in % of all detections.",
        rows,
        {
            "radius": "What the radius of center sampling does to both tables, P3 to P7: a small one keeps boxes "
            "apart, but leaves small boxes without a location."
        },
    )


def ablation(row: paper.Row, run: str, model: FCOSConfig, **training: Any) -> Line:
    """A row of Table 3 or 8, and what trains it."""
    return line(row, run, (), train_coco(run, model, **training))


def table_3(results: Results) -> Section:
    """One training of the paper's length for each row."""
    rows, model = paper.TABLE_3, FCOSConfig.paper
    c5, p5 = dict(extra_levels_from="C5", group_norm=False, nms_threshold=0.5), dict(group_norm=False)
    reg = dict(centerness_branch="regression")
    sampling = reg | dict(center_sampling_radius=1.5)
    giou = sampling | dict(box_loss="giou")
    return Section(
        "Table 3: FCOS against RetinaNet, one change at a time",
        "AP / AP50 / AP75 / APS / APM / APL / AR1 / AR10 / AR100 in %. From the sixth row on, each one adds to the "
        "row above it. RetinaNet is torchvision's.",
        table(
            results, "Table 3", ABLATIONS, NEAR_AP, rows.columns,
            ablation(rows["RetinaNet"], "coco_retinanet", model(**c5), detector="retinanet"),
            ablation(rows["C5"], "coco_c5", model(**c5)),
            ablation(rows["P5"], "coco_p5", model(**p5, nms_threshold=0.5)),
            ablation(rows["NMS"], "coco_nms", model(**p5)),
            ablation(rows["GN"], "coco_gn", model()),
            ablation(rows["ctr. on reg."], "coco_reg", model(**reg)),
            ablation(rows["ctr. sampling"], "coco_sampling", model(**sampling)),
            ablation(rows["GIoU"], "coco_giou", model(**giou)),
            ablation(rows["normalization"], "coco_improved", FCOSConfig.improved()),
        ),
    )  # fmt: skip


def table_4(results: Results) -> Section:
    """Four kinds of center-ness, and Fig. 7."""
    printed = {**paper.TABLE_4, "oracle": paper.ORACLE}
    lines = [line(row, "centerness_coco", (key,), study("centerness", "coco")) for key, row in printed.items()]
    pairs = {  # a model without the branch is the other reading of the paper's "none"
        "branch against none": ("branch", "none"),
        "branch against a model trained without one": ("branch", "without_branch"),
        "computed against none": ("computed", "none"),
        "oracle against branch": ("oracle", "branch"),
    }
    ap = {name: row["AP"].text for name, row in {**printed, "without_branch": paper.TABLE_4["none"]}.items()}
    rows = table(results, "Table 4", CENTERNESS, NEAR_AP, paper.TABLE_4.columns, *lines)
    rows += [
        comparison(
            results, f"Table 4: {name}, AP", CENTERNESS, (ap[first], ap[second]), ("centerness", first, "AP"),
            ("centerness", second, "AP"), data, [study("centerness", data)],
        )
        for data in OWN_DATA for name, (first, second) in pairs.items()
    ]  # fmt: skip
    return Section(
        "Table 4 and Fig. 7: center-ness",
        "AP / AP50 / AP75 / APS / APM / APL in %. *none* leaves the factor out of the scores of a model that has a "
        "branch; the other reading, a model trained without one, has rows of its own. Points under y = x are "
        "detections with a score above their IoU, in % of all.",
        rows + figure_7(results),
        {
            "score_iou": "Fig. 7 on BCCD, by a model of Table 4's study: the darker points, below the line, have a "
            "score above their IoU."
        },
    )


def figure_7(results: Results) -> list[Row]:
    """The paper shows two clouds of points and no figure: fewer points lie under y = x."""
    return [
        comparison(
            results, "Fig. 7: points under y = x, with center-ness against without", CENTERNESS, ("fewer", -1),
            ("score_iou_plain", "with", "share"), ("score_iou_plain", "without", "share"), data,
            analysis("score_iou", data),
        )
        for data in ("coco", *OWN_DATA)
    ]  # fmt: skip


def table_5(results: Results) -> Section:
    """Published figures: only COCO's server measures on test-dev."""
    recipe = RECIPES["coco-r101-2x-ms"].config
    r101 = train_coco("coco_r101", recipe.model, iterations=recipe.iterations, train_sizes=recipe.train_sizes)
    commands = {"ResNet-101": r101}
    lines = [line(row, command=commands.get(key)) for key, row in paper.TABLE_5.items()]
    return Section(
        "Table 5: other backbones",
        "AP on test-dev in %, which only COCO's server can measure: the command trains as the paper does, and "
        "measures on val2017. The package has no HRNet and no ResNeXt, and draws random sizes for FCOS alone.",
        table({}, "Table 5", ABLATIONS, NEAR_AP, paper.TABLE_5.columns, *lines),
    )


def table_6(results: Results) -> Section:
    """Proposals of three first stages."""
    printed = paper.TABLE_6
    command = study("proposals", "coco")
    lines = [line(row, "proposals_coco", (key,), command) for key, row in printed.items()]
    pairs = (("FCOS", "RPN"), ("FCOS without center-ness", "RPN"), ("FCOS", "FCOS without center-ness"))
    rows = table(results, "Table 6", PROPOSALS, NEAR_AP, printed.columns, *lines)
    rows += [
        comparison(
            results, f"Table 6: {one} against {two}, {column}", PROPOSALS,
            (printed[one][column].text, printed[two][column].text),
            ("proposals", one, column), ("proposals", two, column), data, [study("proposals", data)],
        )
        for data in OWN_DATA for one, two in pairs for column in printed.columns
    ]  # fmt: skip
    return Section(
        "Table 6: FCOS as a region proposal network",
        "AR100 / AR1000 of the proposals in Faster R-CNN, in %. The paper's heads all have group norm; of ours "
        "FCOS's has, and torchvision's RPN has not.",
        rows,
    )


def table_7(results: Results) -> Section:
    """Class-agnostic AP; the figures are the areas under the curves of Figs 4 to 6."""
    fcos, retinanet = paper.TABLE_7["FCOS"], paper.TABLE_7["RetinaNet with GN"]
    names = ("AP", "AP50 (area of Fig. 4)", "AP75 (area of Fig. 5)", "AP90 (area of Fig. 6)")
    command = study("retinanet", "coco")
    rows = table(
        results, "Table 7", QUALITY, NEAR_AP, paper.TABLE_7.columns,
        line(paper.TABLE_7["RetinaNet"]),
        line(retinanet, "retinanet_coco", ("RetinaNet",), command),
        line(fcos, "retinanet_coco", ("FCOS",), command),
    )  # fmt: skip
    rows += [
        comparison(
            results, f"Table 7: FCOS against RetinaNet with GN, {name}", QUALITY,
            (fcos[column].text, retinanet[column].text),
            ("retinanet", "FCOS", column), ("retinanet", "RetinaNet", column), data, [study("retinanet", data)],
        )
        for data in OWN_DATA for column, name in zip(paper.TABLE_7.columns, names)
    ]  # fmt: skip
    return Section(
        "Table 7 and Figs 4 to 6: class-agnostic precision and recall",
        "AP / AP50 / AP75 / AP90 in %, whatever the class. Fig. 4 has the curves at IoU .50, Fig. 5 at .75, Fig. 6 "
        "at .90; the area under each is a figure of this table. Our two sides both have group norm.",
        rows,
        {
            "precision_recall": "Figs 4 to 6 on BCCD: FCOS and torchvision's RetinaNet, the first seed of the "
            "study, whatever the class."
        },
    )


def table_8(results: Results) -> Section:
    """The last row is Table 3's with group norm; the others have no command."""
    *others, last = paper.TABLE_8.values()
    lines = [line(row) for row in others]
    return Section(
        "Table 8: what else was changed",
        "AP in %, from another state of the authors' code than Table 3. P5, GN and s_i are the fields "
        "`extra_levels_from`, `group_norm` and `box_activation`. The rows without the IoU loss have no command: "
        "the paper does not say which loss they have, and the package has only losses of IoU. RetinaNet with nine "
        "anchors is trained by the command of Table 3; with one, not at all.",
        table(
            results, "Table 8", ABLATIONS, NEAR_AP, paper.TABLE_8.columns, *lines,
            ablation(last, "coco_gn", FCOSConfig.paper()),
        ),
    )  # fmt: skip


def extras(results: Results) -> Section:
    """What the paper does not have: no paper's value and no word."""
    rows = against_torchvision(results) + large_files(results) + kills(results) + packaged(results)
    return Section("Not in the paper", "What this book adds, in % where no unit stands.", rows)


def against_torchvision(results: Results) -> list[Row]:
    """Our FCOS and torchvision's, trained alike."""
    return [
        Row(
            f"FCOS of this package against torchvision's, same backbone and trainer, {name}", "", TRAINING,
            ours=" against ".join(measured(results, f"torchvision_{data}", side, name).text(1)
                                  for side in ("FCOS", "torchvision's FCOS")),
            **origin(results, f"torchvision_{data}"),
        )
        for data in OWN_DATA if f"torchvision_{data}" in results for name in ("AP", "AP50")
    ]  # fmt: skip


def large_files(results: Results) -> list[Row]:
    """What Tables 1 and 2 cost on as many images as train2017 has."""
    if "recall_train2017_size" not in results:
        return []
    largest = results["recall_train2017_size"]["metrics"]["points"][-1]
    costs = [largest[table] for table in ("recall", "ambiguity")]
    seconds = sum(min(sum(cost[key].values()) for key in ("seconds", "cpu_seconds")) for cost in costs)
    memory = max(cost["peak_memory_mb"] for cost in costs) / 1000
    return [
        Row(
            f"Tables 1 and 2 on {largest['images']:,} images, as many as train2017 has", "", FOUND,
            ours=f"{seconds:.0f} s on one core, {memory:.1f} GB", **origin(results, "recall_train2017_size"),
        )
    ]  # fmt: skip


def kills(results: Results) -> list[Row]:
    """Trainings that were killed, against those that were not."""
    rows = []
    for file in ("kill_test", "kill_test_two_workers"):
        if file in results:
            ended = results[file]["metrics"]
            same = ended["weights equal to the last bit"] and ended["log without gap or repetition"]
            workers = "one worker" if ended["processes"] == 1 else f"{ended['processes']} workers"
            rows.append(
                Row(
                    f"Training with {workers}, killed {ended['kills']} times, against one that was not", "", TRAINING,
                    ours="equal to the last bit" if same else "not equal", **origin(results, file),
                )
            )  # fmt: skip
    return rows


def packaged(results: Results) -> list[Row]:
    """The detectors that come with the package, and the times of its parts."""
    figures = {
        "train_shapes": ("the packaged detector of shapes", {"AP": ("AP",), "AP50": ("AP50",)}),
        "train_bccd": ("the packaged detector of BCCD", {"AP": ("AP",), "AP50": ("AP50",)}),
        "bench_cpu": (
            "our time as a share of torchvision's, float32",
            {
                "assignment": ("assignment", "with_targets", "ratio"),
                "inference": ("inference", "float32", "ratio"),
                "training step": ("training", "float32", "ratio"),
                "training step of the recipe bccd, in bf16": ("small", "bf16_against_bf16", "ratio"),
            },
        ),
    }
    return [
        Row(
            item, "", TRAINING,
            ours=", ".join(f"{name} {measured(results, file, *keys).text(1)}" for name, keys in wanted.items()),
            **origin(results, file),
        )
        for file, (item, wanted) in figures.items() if file in results
    ]  # fmt: skip


PARTS: tuple[Callable[[Results], Section], ...] = (
    method, table_1, table_2, table_3, table_4, table_5, table_6, table_7, table_8, extras,
)  # fmt: skip


def sections(results: Results) -> list[Section]:
    """The page's headings with their rows, in the paper's order."""
    return [part(results) for part in PARTS]
