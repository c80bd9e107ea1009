"""The rows of each equation, figure and table of the paper, under its heading, in the paper's order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fcos_edu import paper
from fcos_edu.experiments.claims import judge
from fcos_edu.experiments.studies import STUDIES, Claim
from fcos_edu.experiments.studies import Row as StudyRow
from fcos_edu.training.recipes import RECIPES

from .claims import WHY, away, claim_rows, difference, told
from .commands import COCO, analysis, count, on_coco, steps, study, study_cost, train_coco
from .exactness import commands, of_ambiguity, of_recall
from .rows import DATA, OWN_DATA, Line, Row, Section, comparison, held, line, origin, table
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
    looking = "a download of 124 MB"
    if "bench_cpu" in results:
        seconds = results["bench_cpu"]["metrics"]["inference"]["float32"]["ours_ms"] / 1000
        looking += f", then about {seconds:.0f} s for each photograph on two cores"
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
        Row("Fig. 8", "detections on photographs of COCO", DETECTIONS, NOT_RUN, data="COCO", commands=(photographs,),
            cost=looking),
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
        "here are the tests that they do what they are meant to. What a test compares with is unfolded below.",
        rows,
        by_data=False,
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
        more=of_recall(results),
        commands=commands(results, "recall"),
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
    of_a_model = line(found, "detections_plain_coco", (), analysis("detections", "coco"), steps(COCO))
    rows += table(results, "Section 4.1", OVERLAP, NEAR_SHARE, tuple(columns), of_a_model, counts=False)
    rows += ambiguous_detections(results, columns)
    return Section(
        "Table 2: ambiguous samples",
        "Locations that could learn several boxes, in % of all positive ones: all / boxes of different classes. "
        "Below them, the detections that come from such locations, in % of all detections.",
        rows,
        {
            "radius": "What the radius of center sampling does to both tables, P3 to P7: a small one keeps boxes "
            "apart, but leaves small boxes without a location."
        },
        more=of_ambiguity(results),
        commands=commands(results, "ambiguity"),
    )


def ambiguous_detections(results: Results, columns: dict[str, str]) -> list[Row]:
    """Section 4.1 on our data: of detections fewer are ambiguous than of samples. Each seed's detector is a pair."""
    found, samples = paper.AMBIGUOUS_DETECTIONS, paper.TABLE_2["fpn"]
    gaps = [(Claim("detections", "samples", key), found[key].share - samples[key].share) for key in columns]
    rows = []
    for data in OWN_DATA:
        file = f"detections_plain_{data}"
        metrics = results[file]["metrics"] if file in results else {}
        known = dict(data=DATA[data], commands=analysis("detections", data))
        if metrics:
            known = origin(results, file) | dict(data=DATA[data])

        def values(claim: Claim, metrics: dict[str, Any] = metrics) -> tuple[list[float], list[float]]:
            sides = [metrics.get(claim.figure), metrics.get("samples", {}).get(claim.figure)]
            first, second = (side["values"] if isinstance(side, dict) else [side] for side in sides)
            return (first, second) if metrics else ([], [])

        for (claim, gap), one in zip(gaps, judge(gaps, values)):
            item = f"Section 4.1: detections against samples, ambiguous, {columns[claim.figure]}"
            printed = f"{100 * gap:+.2f} ({found[claim.figure].text} against {samples[claim.figure].text})"
            details = told(one) if one["n"] else ()
            known |= dict(claim=item, away=away(one), details=details)
            rows.append(Row(item, printed, OVERLAP, one["word"], difference(one), **known))
    return rows


def ablation(row: paper.Row, run: str, trained: StudyRow) -> Line:
    """A row of Table 3 or 8, and what trains it on COCO."""
    config = on_coco(trained)
    return line(row, run, (), train_coco(run, config), steps(config))


# The runs on COCO of the rows of Tables 3 and 8, by the names of the rows in STUDIES.
COCO_RUNS = {
    "ladder": {
        "RetinaNet": "coco_retinanet", "C5": "coco_c5", "P5": "coco_p5", "NMS": "coco_nms", "GN": "coco_gn",
        "ctr. on reg.": "coco_reg", "ctr. sampling": "coco_sampling", "GIoU": "coco_giou",
        "normalization": "coco_improved",
    },
    "parts": {
        "RetinaNet, 1 anchor": "coco_one_anchor", "RetinaNet, 9 anchors": "coco_retinanet", "C5": "coco_parts_c5",
        "P5": "coco_parts_p5", "GN": "coco_parts_gn", "scale": "coco_parts_scale", "IoU loss": "coco_gn_nms50",
    },
}  # fmt: skip


def table_3(results: Results) -> Section:
    """One training of the paper's length for each row, and the rungs on our data."""
    rows = paper.TABLE_3
    lines = [ablation(rows[name], run, STUDIES["ladder"].rows[name]) for name, run in COCO_RUNS["ladder"].items()]
    return Section(
        "Table 3: FCOS against RetinaNet, one change at a time",
        "On COCO: AP / AP50 / AP75 / APS / APM / APL / AR1 / AR10 / AR100 in %, in the paper's order; from the sixth "
        "row on, each adds to the row above it. On our own data: what each row adds, AP in points. RetinaNet is "
        "torchvision's.",
        claim_rows(results, "ladder", "Table 3", ABLATIONS)
        + table(results, "Table 3", ABLATIONS, NEAR_AP, rows.columns, *lines, counts=False),
    )


def table_4(results: Results) -> Section:
    """Four kinds of center-ness, and Fig. 7."""
    printed = {**paper.TABLE_4, "oracle": paper.ORACLE}
    command, cost = study("centerness", "coco"), study_cost("centerness")
    lines = [line(row, "centerness_coco", (key,), command, cost) for key, row in printed.items()]
    rows = claim_rows(results, "centerness", "Table 4", CENTERNESS)
    rows += table(results, "Table 4", CENTERNESS, NEAR_AP, paper.TABLE_4.columns, *lines, counts=False)
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
    item = "Fig. 7: points under y = x, with center-ness against without"
    on_paper_s = Row(
        item, "fewer", CENTERNESS, NOT_RUN, data="COCO", commands=analysis("score_iou", "coco"), cost=steps(COCO)
    )
    return [*claim_rows(results, "score-iou", "Fig. 7", CENTERNESS), on_paper_s]


# Table 5: what its rows train. Six short sides to draw from, twice the steps; only FCOS can draw sizes here.
BACKBONES = {
    "RetinaNet, ResNet-101": ("coco_retinanet_r101", "coco-r101-2x-ms", {"detector": "retinanet", "train_sizes": ()}),
    "ResNet-101": ("coco_r101", "coco-r101-2x-ms", {}),
    "HRNet-W32-5l": ("coco_hrnet_w32", "coco-r101-2x-ms", {"model.backbone": "timm:hrnet_w32"}),
    "ResNeXt-101-32x8d": ("coco_x101_32x8d", "coco-r101-2x-ms", {"model.backbone": "resnext101_32x8d"}),
    "ResNeXt-101-64x4d": ("coco_x101_64x4d", "coco-r101-2x-ms", {"model.backbone": "resnext101_64x4d"}),
    "improved": ("coco_x101_64x4d_improved", "coco-r50-2x-ms", {"model.backbone": "resnext101_64x4d"}),
}


def table_5(results: Results) -> Section:
    """Published figures: only COCO's server measures on test-dev."""
    lines = []
    for key, row in paper.TABLE_5.items():
        run, recipe, changes = BACKBONES[key]
        # Order and number of processes are the trainer's own choice for COCO.
        config = RECIPES[recipe].config.replace(
            **{"workers": COCO.workers, "group_aspect": COCO.group_aspect} | changes
        )
        lines.append(line(row, command=train_coco(run, config), cost=steps(config)))
    return Section(
        "Table 5: other backbones",
        "AP on test-dev in %, which only COCO's server can measure: the commands train as the paper does, and "
        "measure on val2017. HRNet needs the extra `fcos-edu[timm]`; its four maps have strides 4 to 32, and the "
        "paper's *5l* are five levels, as ours are. The package draws random sizes for FCOS alone, so RetinaNet's "
        "command trains at 800.",
        table({}, "Table 5", ABLATIONS, NEAR_AP, paper.TABLE_5.columns, *lines, counts=False),
    )


def table_6(results: Results) -> Section:
    """Proposals of three first stages."""
    printed = paper.TABLE_6
    command, cost = study("proposals", "coco"), study_cost("proposals")
    lines = [line(row, "proposals_coco", (key,), command, cost) for key, row in printed.items()]
    rows = claim_rows(results, "proposals", "Table 6", PROPOSALS)
    rows += table(results, "Table 6", PROPOSALS, NEAR_AP, printed.columns, *lines, counts=False)
    return Section(
        "Table 6: FCOS as a region proposal network",
        "AR100 / AR1000 of the proposals in Faster R-CNN, in %. All heads have group norm. FCOS's proposals have one "
        "NMS for all levels, as FCOS has it, the RPN's one for each level; the paper does not say. The next section "
        "has what follows from that.",
        rows,
    )


def table_6_why(results: Results) -> Section:
    """Experiments of ours: one change to a first stage for each guess."""
    return Section(
        "Table 6, why: what makes a first stage better",
        "Average recall of the proposals, in points. The paper asks none of this: these are our guesses at why the "
        "table comes out as it does; most change one thing in one first stage. (With levels P3 to P7 the second "
        "stage pools from others, too.) So nothing can be reproduced or contradicted; a difference is *told apart*, "
        "or it is not. The rows of one study are corrected together: NMS, group norm, samples, levels.",
        [row for name in WHY for row in claim_rows(results, name, "Table 6", PROPOSALS)],
        ours=True,
    )


def table_7(results: Results) -> Section:
    """Class-agnostic AP; the figures are the areas under the curves of Figs 4 to 6."""
    command, cost = study("retinanet", "coco"), study_cost("retinanet")
    named = {"RetinaNet": "RetinaNet without GN", "RetinaNet with GN": "RetinaNet", "FCOS": "FCOS"}
    lines = [line(row, "retinanet_coco", (named[key],), command, cost) for key, row in paper.TABLE_7.items()]
    rows = claim_rows(results, "retinanet", "Table 7", QUALITY)
    rows += table(results, "Table 7", QUALITY, NEAR_AP, paper.TABLE_7.columns, *lines, counts=False)
    return Section(
        "Table 7 and Figs 4 to 6: class-agnostic precision and recall",
        "AP / AP50 / AP75 / AP90 in %, whatever the class. Fig. 4 has the curves at IoU .50, Fig. 5 at .75, Fig. 6 "
        "at .90; the area under each is a figure of this table.",
        rows,
        {
            "precision_recall": "Figs 4 to 6 on BCCD: FCOS and torchvision's RetinaNet, the first seed of a "
            "shorter study, whatever the class."
        },
    )


def table_8(results: Results) -> Section:
    """What the parts of FCOS gain, one by one."""
    rows = paper.TABLE_8
    lines = [ablation(rows[name], run, STUDIES["parts"].rows[name]) for name, run in COCO_RUNS["parts"].items()]
    return Section(
        "Table 8: what else was changed",
        "AP in %, from another state of the authors' code than Table 3. P5, GN and s_i are the fields "
        "`extra_levels_from`, `group_norm` and `box_activation`. The paper does not say which loss the rows before the "
        "IoU loss have: `smooth_l1` on the distances is our reading. Nor does it say its NMS: 0.5, as in Table 3's "
        "first rows.",
        claim_rows(results, "parts", "Table 8", ABLATIONS)
        + table(results, "Table 8", ABLATIONS, NEAR_AP, rows.columns, *lines, counts=False),
    )


def extras(results: Results) -> Section:
    """What the paper does not have: no paper's value and no word."""
    rows = claim_rows(results, "torchvision", "", TRAINING) + large_files(results) + kills(results) + packaged(results)
    what = "What this book adds, in % where no unit stands."
    return Section("Not in the paper", what, rows, by_data=False, ours=True)


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
    if "study_kill_test" in results:
        ended = results["study_kill_test"]["metrics"]
        rows.append(
            Row(
                f"A study of {ended['runs']} runs, killed {ended['kills']} times and continued elsewhere with its "
                "record alone, against one that was not", "", ABLATIONS,
                ours="the same record" if ended["same record"] else "another record",
                **origin(results, "study_kill_test"),
            )
        )  # fmt: skip
    return rows


def packaged(results: Results) -> list[Row]:
    """The detectors that come with the package, and the times of its parts."""
    figures = {
        "train_shapes": ("the packaged detector of shapes", {"AP": ("AP",), "AP50": ("AP50",)}),
        "recipe_shapes": ("the recipe of shapes, today", {"AP": ("AP",), "AP50": ("AP50",)}),
        "train_bccd": ("the packaged detector of BCCD", {"AP": ("AP",), "AP50": ("AP50",)}),
        "train_people": ("the packaged detector of people", {"AP": ("AP",), "AP50": ("AP50",)}),
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


def hard_shapes(results: Results) -> Section:
    """The rungs whose question drawn shapes can ask."""
    return Section(
        "Tables 3 and 8 on hard shapes",
        "Drawn shapes in which the paper's questions exist: ten in an image on average, many of them under others, one "
        "in ten with a twin of its class over it, sides from 12 to 240 pixels, and down to a fifth as wide as long. "
        "They carry only the rungs that ask for that.",
        claim_rows(results, "questions", "", ABLATIONS),
    )


PARTS: tuple[Callable[[Results], Section], ...] = (
    method, table_1, table_2, table_3, table_4, table_5, table_6, table_6_why, table_7, table_8,
    hard_shapes, extras,
)  # fmt: skip


def sections(results: Results) -> list[Section]:
    """The page's headings with their rows, in the paper's order."""
    return [part(results) for part in PARTS]
