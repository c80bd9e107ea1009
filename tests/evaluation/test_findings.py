"""Findings: each figure against the function or the tool that it comes from."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fcos_edu.evaluation import EvaluationError, coco_metrics, confusion_matrix, kinds_of_errors
from fcos_edu.evaluation.errors import KINDS, judge
from fcos_edu.evaluation.findings import findings
from tests.evaluation.test_errors import TRUTH, detection, seeded


def test_every_figure_is_that_of_its_source() -> None:
    truth, results = seeded(1, True)
    truth["categories"] = [{"id": k, "name": f"class {k}"} for k in (3, 1, 9, 2, 4)]  # in no order; 9 has no box
    found = findings(truth, results)
    assert found.metrics == coco_metrics(truth, results)
    assert found.errors == kinds_of_errors(truth, results)
    assert np.array_equal(found.confusion, confusion_matrix(truth, results))
    assert (found.images, found.detections) == (30, len(results))
    assert found.boxes == sum(not a["iscrowd"] for a in truth["annotations"]) == sum(c.boxes for c in found.classes)
    for one in found.classes:
        own = {**truth, "annotations": [a for a in truth["annotations"] if a["category_id"] == one.category_id]}
        assert one.name == f"class {one.category_id}"
        if one.category_id == 9:
            assert (one.ap, one.recall, one.interval, one.boxes) == (None, None, None, 0)
            continue
        alone = coco_metrics(own, [r for r in results if r["category_id"] == one.category_id])
        assert (one.ap, one.ap50, one.ap75) == pytest.approx((alone["AP"], alone["AP50"], alone["AP75"]))
        assert one.recall == pytest.approx(alone["AR100"])
        solid = [a["image_id"] for a in own["annotations"] if not a["iscrowd"]]
        assert (one.boxes, one.images) == (len(solid), len(set(solid)))
        assert one.interval is not None and one.interval.low <= one.ap <= one.interval.high


def test_the_worst_images_are_those_with_most_errors() -> None:
    truth, results = seeded(0, False)
    found = findings(truth, results, score=0.5, worst=5)
    clear = judge(truth, [r for r in results if r["score"] >= 0.5])
    errors = {one.image_id: sum(map(bool, one.kinds)) + one.taken.count(False) for one in clear}
    counts = [one.wrong for one in found.worst]
    assert counts == sorted(errors.values(), reverse=True)[:5]
    for one in found.worst:
        assert errors[one.judged.image_id] == one.wrong and one.right == one.judged.kinds.count("")
        assert one.file_name == str(one.judged.image_id)  # it has none
    perfect = [detection(a["image_id"], a["category_id"], a["bbox"], 0.9) for a in truth["annotations"]]
    assert findings(truth, perfect).worst == []


def test_kinds_of_an_image_add_up_to_those_of_all() -> None:
    truth, results = seeded(1, True)
    kinds = [kind for image in judge(truth, results) for kind in image.kinds]
    count = kinds_of_errors(truth, results).count
    for kind in KINDS[:-1]:
        assert kinds.count(kind) <= count[kind]  # the difference are those in regions where none counts
    truth, results = seeded(0, False)
    kinds = [kind for image in judge(truth, results) for kind in image.kinds]
    assert {kind: kinds.count(kind) for kind in KINDS[:-1]} == {
        k: kinds_of_errors(truth, results).count[k] for k in KINDS[:-1]
    }
    with pytest.raises(ValueError, match="0 < background < fits"):
        judge(TRUTH, [], fits=0.05)


def test_json_holds_all_and_the_twelve_numbers_on_top() -> None:
    truth, results = seeded(0, False)
    found = findings(truth, results)
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert {name: document[name] for name in found.metrics} == found.metrics
    assert document["AP_95"] == list(found.interval) and document["confusion"]["counts"] == found.confusion.tolist()
    assert [one["name"] for one in document["classes"]] == ["1", "2", "3", "4"]
    assert document["errors"]["missed"] == {"count": 24, "AP50_gain": found.errors.gain["missed"]}
    assert sum(one["detections"] for one in document["reliability"]["bins"]) == len(results)
    worst = document["worst"][0]
    assert worst["missed"] == [box["found"] for box in worst["boxes"]].count(False)
    assert sum(worst["false"].values()) == sum(one["kind"] != "right" for one in worst["detections"])
    json.dumps(findings(truth, []).to_dict(), allow_nan=False)
    with pytest.raises(EvaluationError, match="no boxes"):
        findings({**truth, "annotations": []}, [])
