"""The book's own detector against the package's, with the same weights; and its file against the chapters' cells."""

import copy
import re

import pytest
import torch

from fcos_edu import FCOS
from fcos_edu.course import NAMES, my_fcos
from fcos_edu.course.checks import judged
from scripts import ROOT
from scripts.course.my_fcos import NAME, assembled

RENAMED = (
    (r"^pyramid\.body\.stem\.0\.", "backbone.stem."),
    (r"^pyramid\.body\.layer(\d)\.", lambda match: f"backbone.stages.{int(match[1]) - 1}."),
    (r"^pyramid\.fpn\.", "pyramid."),
    (r"\.conv1\.", ".first."),
    (r"\.conv2\.", ".second."),
    (r"(^backbone.*\.)conv\.", r"\g<1>0."),
    (r"(^backbone.*\.)norm\.", r"\g<1>1."),
    (r"^head\.classification_tower", "head.class_tower"),
    (r"^head\.regression_tower", "head.box_tower"),
    (r"^head\.classification", "head.classes"),
    (r"^head\.regression", "head.box"),
    (r"^head\.centerness", "head.center"),
)  # fmt: skip


def renamed(name: str) -> str:
    """The package's name of a weight, as the book's detector has it."""
    for before, after in RENAMED:
        name = re.sub(before, after, name)
    return name


@pytest.fixture(scope="module")
def both() -> tuple[FCOS, my_fcos.MyFCOS]:
    theirs = FCOS.pretrained("shapes")
    mine = my_fcos.MyFCOS(theirs.config.num_classes)
    mine.load_state_dict({renamed(name): value for name, value in theirs.state_dict().items()})
    assert theirs.config.level_bounds == my_fcos.BOUNDS
    return theirs, mine.eval()


def test_the_file_is_what_the_chapters_add_up_to() -> None:
    assert (ROOT / NAME).read_text("utf-8") == assembled(ROOT), "run make pages"


@pytest.mark.parametrize("size", [(256, 256), (200, 320), (90, 61)])
def test_detections_are_the_package_s(both, size) -> None:
    theirs, mine = both
    torch.manual_seed(1)
    image = torch.nn.functional.interpolate(torch.rand(1, 3, 6, 8), size, mode="bilinear")[0]
    (wanted,) = theirs([image])
    found = my_fcos.detect(mine, image, theirs.config.min_size, theirs.config.max_size)
    assert len(wanted["boxes"]) > 0
    assert torch.equal(found["labels"], wanted["labels"])
    torch.testing.assert_close(found["scores"], wanted["scores"], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found["boxes"], wanted["boxes"], rtol=1e-4, atol=1e-2)


def test_losses_and_their_gradients_are_the_package_s(both) -> None:
    theirs, mine = (copy.deepcopy(model).double() for model in both)  # the rounding of float32 grows with depth
    torch.manual_seed(2)
    images = [torch.rand(3, 256, 256), torch.rand(3, 256, 200)]
    boxes = [torch.tensor([[20.0, 30, 120, 200], [60, 60, 110, 90]]), torch.zeros(0, 4)]
    labels = [torch.tensor([1, 4]), torch.zeros(0, dtype=torch.int64)]
    wanted = theirs.train()(images, [{"boxes": b, "labels": n} for b, n in zip(boxes, labels, strict=True)])
    batch, sizes = my_fcos.canvas(images, theirs.config.min_size, theirs.config.max_size)
    scaled = [my_fcos.resize_boxes(b, i.shape[1:], s) for b, i, s in zip(boxes, images, sizes, strict=True)]
    found = my_fcos.losses(mine.train()(batch.double()), scaled, labels)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name].float(), value.float(), rtol=1e-4, atol=1e-5)
    sum(wanted.values()).backward()
    sum(found.values()).backward()
    gradients = {renamed(name): weight.grad for name, weight in theirs.named_parameters()}
    for name, weight in mine.named_parameters():
        away = (weight.grad - gradients[name]).norm() / gradients[name].norm()
        assert away < 1e-3, f"{name}: {away}"


def test_every_part_that_a_question_asks_for_is_right() -> None:
    asked = [name for name in NAMES if hasattr(my_fcos, name)]
    assert len(asked) >= 21
    for name in asked:
        verdict, text = judged(name, getattr(my_fcos, name))
        assert verdict.right, text


def test_it_learns_one_image() -> None:
    torch.manual_seed(0)
    image = torch.full((3, 64, 64), 0.2)
    image[:, 16:48, 8:56] = 0.9
    target = {"boxes": torch.tensor([[8.0, 16.0, 56.0, 48.0]]), "labels": torch.tensor([1])}
    seen: list[int] = []
    batches = [([image], [target])] * 60
    network = my_fcos.train(my_fcos.MyFCOS(2), batches, 60, 0.004, 64, 64, lambda step, _: seen.append(step))
    assert seen == list(range(61))
    found = my_fcos.detect(network, image, 64, 64)
    assert found["labels"][0] == 1
    box = found["boxes"][:1]
    assert my_fcos.giou(box, target["boxes"]).item() > 0.6
