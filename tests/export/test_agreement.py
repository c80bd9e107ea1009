"""The comparison itself: what it must see, and what the last bits of a sum may do."""

import pytest
import torch

from fcos_edu.export.agreement import PIXELS, SCORE, ExportError, check_agreement, compare, example_images
from tests.export.models import random_model


@pytest.fixture(scope="module")
def model():
    return random_model()


def by_the_model(model, change=lambda found: found):
    """The model in the place of its export, with something changed."""

    def detect(image, score_threshold):
        config = model.config.replace(score_threshold=score_threshold)
        (seen,) = model.predictions([image])
        return change(model.detections(seen, config)[0])

    return detect


def test_the_model_agrees_with_itself(model):
    found = check_agreement(by_the_model(model), model)
    assert found.images == 10 and found.detections > 100 and (found.pixels, found.score, found.edges) == (0, 0, 0)
    assert "10 images of all sizes" in found.words() and "edge" not in found.words()


def test_images_are_of_ten_sizes_around_the_models(model):
    images = example_images(model.config)
    sizes = {tuple(image.shape) for image in images}
    assert len(sizes) == 10 and all(image.dtype == torch.uint8 for image in images)
    assert min(min(s[1:]) for s in sizes) < 30 and max(max(s[1:]) for s in sizes) > 160


def shifted(found, name, by):
    changed = dict(found)
    changed[name] = found[name].clone()
    changed[name][:1] += by
    return changed


@pytest.mark.parametrize(
    "change",
    [
        lambda found: shifted(found, "boxes", 5 * PIXELS),
        lambda found: shifted(found, "scores", 5 * SCORE),
        lambda found: shifted(found, "labels", 1),
        lambda found: {k: v[1:] for k, v in found.items()},
        lambda found: {k: torch.cat([v[:1], v]) for k, v in found.items()},
        lambda found: {k: v[:0] for k, v in found.items()},
    ],
    ids=["a box", "a score", "a label", "one is missing", "one is twice", "none"],
)
def test_what_differs_is_refused(model, change):
    with pytest.raises(ExportError, match="only the (export|model) has the detection"):
        check_agreement(by_the_model(model, change), model)


def test_small_differences_and_another_order_are_none(model):
    def change(found):
        turned = {k: v.flip(0) for k, v in found.items()}
        return shifted(shifted(turned, "boxes", PIXELS / 2), "scores", -SCORE / 2)

    found = check_agreement(by_the_model(model, change), model)
    assert 0 < found.pixels <= PIXELS and 0 < found.score <= SCORE and found.edges == 0


def detections(scores, boxes=None):
    count = len(scores)
    boxes = boxes or [[20.0 * i, 0.0, 20.0 * i + 10, 10.0] for i in range(count)]
    scores = torch.tensor(scores)
    return {"boxes": torch.tensor(boxes).reshape(-1, 4), "scores": scores, "class_scores": scores,
            "labels": torch.zeros(count, dtype=torch.int64)}  # fmt: skip


def test_a_detection_on_an_edge_may_be_on_one_side_alone(model):
    config = model.config.replace(score_threshold=0.3, detections_per_image=3)
    few, at_threshold = detections([0.9, 0.5]), detections([0.9, 0.5, 0.30005])
    assert compare(few, at_threshold, config) == (0.0, 0.0, 1) == compare(at_threshold, few, config)
    with pytest.raises(ExportError):
        compare(few, detections([0.9, 0.5, 0.31]), config)
    full, other = detections([0.9, 0.5, 0.4]), detections([0.9, 0.5, 0.40005])  # the third of three, one of two equals
    other["boxes"][2] += 100
    assert compare(full, other, config)[2] == 2
    # An overlap of 0.6, NMS's own threshold: one of the sides kept both.
    pair = [[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 6.0]]
    both, one = detections([0.9, 0.5], pair), detections([0.9])
    one["boxes"] = torch.tensor(pair[:1])
    assert compare(one, both, config)[2] == 1
    both["boxes"][1, 3] = 6.1
    with pytest.raises(ExportError):
        compare(one, both, config)


def test_a_detector_that_finds_little_is_compared_below_its_threshold():
    sure = random_model(score_threshold=0.999)
    asked = []

    def detect(image, score_threshold):
        asked.append(score_threshold)
        return by_the_model(sure)(image, score_threshold)

    assert check_agreement(detect, sure).detections > 50
    assert len(asked) == 22 and min(asked) < 0.9


@pytest.mark.parametrize("count", [0, 1])
def test_an_export_that_is_wrong_about_few_detections_is_refused(model, count):
    """Programs that are compiled take sizes of 0 and 1 for impossible."""

    def detect(image, score_threshold):
        found = by_the_model(model)(image, score_threshold)
        if len(found["scores"]) == count:
            raise RuntimeError("u5 >= 2")
        return found

    with pytest.raises(ExportError, match=rf"fails where the model finds {count} detections? of an image.*u5 >= 2"):
        check_agreement(detect, model)
