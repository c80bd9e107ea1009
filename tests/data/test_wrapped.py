"""Data sets of torchvision's convention: somebody's as ours, and ours in torchvision's reference recipe."""

from __future__ import annotations

import json
import math
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision import tv_tensors
from torchvision.datasets import CocoDetection

from fcos_edu import FCOS, FCOSConfig, data, evaluate
from fcos_edu.data.dataset import ImageId
from fcos_edu.data.transforms import eval_transforms, train_transforms

SHAPES = data.ShapesDataset(num_images=5, split="val", size=(64, 96))


class Somebodys(Dataset):  # type: ignore[type-arg]
    """Our shapes, as somebody else would have them."""

    def __init__(self, change: Any = lambda image, target: (image, target)) -> None:
        self.change = change

    def __len__(self) -> int:
        return len(SHAPES)

    def __getitem__(self, index: int) -> Any:
        image, target = SHAPES[index]
        plain = {"boxes": target["boxes"].as_subclass(torch.Tensor).clone(), "labels": target["labels"].clone()}
        return self.change(image.as_subclass(torch.Tensor), plain)


def as_pil(image: Any, target: Any) -> Any:
    return Image.fromarray(image.permute(1, 2, 0).numpy()), target


def as_xywh(image: Any, target: Any) -> Any:
    boxes = target["boxes"].clone()
    boxes[:, 2:] -= boxes[:, :2]
    kind = tv_tensors.BoundingBoxFormat.XYWH
    wrapped = tv_tensors.BoundingBoxes(boxes, format=kind, canvas_size=image.shape[-2:])  # type: ignore[call-arg]
    return image, {**target, "boxes": wrapped}


@pytest.mark.parametrize(
    "change",
    [
        lambda image, target: (image, target),
        as_pil,
        as_xywh,
        lambda image, target: (image, {**target, "labels": target["labels"] + 1}),
        lambda image, target: (image, {**target, "image_id": torch.tensor([7])}),  # not one to tell images by
    ],
    ids=["tensors", "pil", "xywh", "from 1", "one id"],
)
def test_the_same_pictures_and_boxes_come_out(change: Any) -> None:
    wrapped = data.as_dataset(Somebodys(change), data.shapes.CLASSES)
    ours, theirs = SHAPES.annotations(), wrapped.annotations()
    np.testing.assert_allclose(theirs.boxes, ours.boxes, atol=1e-4)
    assert (theirs.labels == ours.labels).all() and (theirs.widths == ours.widths).all()
    assert wrapped.classes == SHAPES.classes and len(set(wrapped.image_ids)) == 5
    for index in range(5):
        (image, target), (picture, truth) = wrapped[index], SHAPES[index]  # type: ignore[misc]
        assert torch.equal(image, picture) and target["boxes"].shape == truth["boxes"].shape
        torch.testing.assert_close(target["boxes"], truth["boxes"], atol=1e-4, rtol=0)
        assert torch.equal(target["labels"], truth["labels"]) and target["image_id"] == wrapped.image_ids[index]


def test_a_data_set_of_ours_stays_itself() -> None:
    assert data.as_dataset(SHAPES) is SHAPES
    subset = data.as_dataset(Subset(SHAPES, [0, 3]))
    assert subset.classes == SHAPES.classes and len(subset) == 2 and subset.image_ids == [1, 4]


def test_crowds_are_ignored_and_boxes_without_a_side_left_out() -> None:
    def crowded(image: Any, target: Any) -> Any:
        boxes = torch.tensor([[1.0, 1, 30, 30], [5, 5, 5, 20], [2, 2, 60, 60]])
        return image, {"boxes": boxes, "labels": torch.tensor([0, 1, 2]), "iscrowd": torch.tensor([0, 0, 1])}

    wrapped = data.as_dataset(Somebodys(crowded), "abc")
    assert wrapped[0][1]["boxes"].tolist() == [[1, 1, 30, 30]]  # type: ignore[index]
    assert wrapped.annotations().ignored.sum() == 5 and len(wrapped.ground_truth()["annotations"]) == 10


@pytest.mark.parametrize(
    ("change", "classes", "message"),
    [
        (lambda i, t: i, None, r"Somebodys\[0\] is not .image, target. with boxes"),
        (lambda i, t: (i, {"boxes": t["boxes"]}), None, r"labels in the target, but \(image, a dict of boxes\)"),
        (lambda i, t: (i[0], t), None, r"has the image Tensor .64, 96.; it must be a PIL image or"),
        (lambda i, t: (i, {**t, "labels": t["labels"][:0]}), None, r"boxes of shape .\d, 4. and labels of shape .0,."),
        (
            lambda i, t: (i, {**t, "labels": t["labels"] + 2}),
            "abcde",
            "labels from 2 to 6, and 5 classes: they must go",
        ),
        (lambda i, t: (i, {**t, "labels": t["labels"] - 1}), None, "labels from -1 to"),
    ],
)
def test_what_is_not_of_the_convention_is_refused(change: Any, classes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.WrappedDataset(Somebodys(change), classes)


def test_a_detector_is_measured_on_it_as_on_ours() -> None:
    model = FCOS.pretrained("shapes")
    ours = data.ShapesDataset(num_images=5, split="val", size=(64, 96), transforms=eval_transforms())
    theirs = Somebodys(as_pil)
    theirs.classes = data.shapes.CLASSES  # type: ignore[attr-defined]
    measured = evaluate(model, theirs, progress=False)
    assert measured == pytest.approx(evaluate(model, ours, progress=False), abs=1e-6, nan_ok=True)


# ---------------------------------------------------------------------- torchvision's reference recipe
def test_an_image_id_is_a_number_and_has_what_a_tensor_has() -> None:
    number = ImageId(7)
    assert number == 7 == number.item() and {number: 1}[7] == 1 and json.dumps(number) == "7"
    assert type(pickle.loads(pickle.dumps(number))) is ImageId


@pytest.mark.parametrize("transforms", [None, eval_transforms(), train_transforms((64,), 96, augment="strong")])
def test_areas_are_those_of_the_boxes_as_they_come(transforms: Any) -> None:
    torch.manual_seed(0)
    dataset = data.ShapesDataset(num_images=5, split="val", size=(64, 96), transforms=transforms)
    for index in range(5):
        _, target = dataset[index]  # type: ignore[misc]
        sides = (target["boxes"][:, 2:] - target["boxes"][:, :2]).as_subclass(torch.Tensor)
        torch.testing.assert_close(target["area"], sides[:, 0] * sides[:, 1])
        assert target["iscrowd"].tolist() == [0] * len(target["boxes"]) and target["iscrowd"].dtype == torch.int64
        assert isinstance(target["image_id"], ImageId)


def to_device(loader: Any) -> Iterator[tuple[list[Any], list[dict[str, Any]]]]:
    """A batch as the recipe hands it on: what is no tensor stays as it is."""
    for images, targets in loader:
        moved = [{k: v.to("cpu") if isinstance(v, torch.Tensor) else v for k, v in t.items()} for t in targets]
        yield [image.to("cpu") for image in images], moved


def test_the_reference_recipe_trains_and_measures_without_a_wrapper() -> None:
    """What it does with a model and a data set, written down anew: the sum of all losses is what learns, the data set
    becomes COCO's format by its targets alone, and detections are told apart by ``image_id.item()``.
    """
    dataset = data.ShapesDataset(num_images=6, split="val", size=(64, 64), transforms=eval_transforms())
    loader = DataLoader(dataset, batch_size=2, collate_fn=lambda batch: tuple(zip(*batch, strict=True)))
    torch.manual_seed(0)
    model = FCOS(FCOSConfig.tiny(num_classes=5, min_size=64, max_size=64, fpn_channels=16)).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for images, targets in to_device(loader):
        losses = model(images, targets)
        total = sum(loss for loss in losses.values())
        assert isinstance(total, torch.Tensor) and math.isfinite(total.item())
        assert model.centerness_floor is not None and len(losses) == 3  # the floor is no loss: it is not summed
        optimizer.zero_grad()
        total.backward()
        optimizer.step()

    truth: dict[str, Any] = {"info": {}, "images": [], "annotations": [], "categories": [{"id": k} for k in range(5)]}
    for index in range(len(dataset)):
        image, target = dataset[index]  # type: ignore[misc]
        number = target["image_id"].item()
        truth["images"].append({"id": number, "height": image.shape[-2], "width": image.shape[-1]})
        boxes = target["boxes"].clone()
        boxes[:, 2:] -= boxes[:, :2]
        rows = zip(boxes.tolist(), target["labels"].tolist(), target["area"].tolist(), target["iscrowd"].tolist())
        for box, label, area, crowd in rows:
            truth["annotations"].append(
                {"id": len(truth["annotations"]) + 1, "image_id": number, "bbox": box, "category_id": label,
                 "area": area, "iscrowd": crowd}
            )  # fmt: skip
    coco = COCO()
    coco.dataset = truth
    coco.createIndex()
    model = FCOS.pretrained("shapes").eval()
    results = []
    for images, targets in to_device(loader):
        outputs = [{k: v.to("cpu") for k, v in output.items()} for output in model(images)]
        for number, output in {t["image_id"].item(): o for t, o in zip(targets, outputs, strict=True)}.items():
            boxes = output["boxes"].clone()
            boxes[:, 2:] -= boxes[:, :2]
            rows = zip(boxes.tolist(), output["labels"].tolist(), output["scores"].tolist())
            results += [{"image_id": number, "category_id": c, "bbox": b, "score": s} for b, c, s in rows]
    run = COCOeval(coco, coco.loadRes(results), "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert run.stats[0] == pytest.approx(evaluate(model, dataset, progress=False)["AP"], abs=1e-6)


class Counted(Dataset):  # type: ignore[type-arg]
    """A picture for each label, of three classes."""

    classes: tuple[str, ...] | None = ("nut", "bolt", "ring")

    def __init__(self, *labels: int) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        boxes = torch.tensor([[1.0, 2, 20, 20]])
        return Image.new("RGB", (40, 30)), {"boxes": boxes, "labels": torch.tensor([self.labels[index]])}


def test_labels_that_may_count_from_0_or_1_are_told() -> None:
    """A part without the last class would be read one class off, in silence."""
    with pytest.warns(
        UserWarning, match=r"from 1 to 2, and 3 classes.*so that 1 is 'bolt'; if 1 is 'nut'.*first_label=1"
    ):
        told = data.WrappedDataset(Counted(1, 2))
    assert told.annotations().labels.tolist() == [1, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert data.WrappedDataset(Counted(1, 2), first_label=1).annotations().labels.tolist() == [0, 1]
        assert data.WrappedDataset(Counted(1, 2, 3)).annotations().labels.tolist() == [0, 1, 2]
        assert data.WrappedDataset(Counted(0, 1)).annotations().labels.tolist() == [0, 1]
        named = ("__background__", "nut", "bolt", "ring")
        assert data.WrappedDataset(Counted(1, 2), named).annotations().labels.tolist() == [1, 2]
    with pytest.raises(ValueError, match="labels from 0 to 1, and 3 classes"):
        data.WrappedDataset(Counted(0, 1), first_label=1)
    with pytest.raises(ValueError, match="first_label is 2; it must be 0 or 1"):
        data.WrappedDataset(Counted(1, 2), first_label=2)


def test_an_image_without_boxes_as_torchvisions_wrapper_of_coco_has_it() -> None:
    made = data.WrappedDataset(Somebodys(lambda image, target: (image, {"image_id": 7})), ("a",))
    assert len(made) == 5 and len(made.annotations()) == 0 and len(made[0][1]["boxes"]) == 0


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ("my_folder", TypeError, r"load_dataset\('my_folder'\) makes one"),
        (iter([]), TypeError, r"a list_iterator is no data set.*needs len\(dataset\)"),
        ([(torch.zeros(3, 8, 8), [])], ValueError, r"list\[0\] is not .*, but \(image, a list\)$"),
        ([(torch.zeros(3, 8, 8), {"masks": 1})], ValueError, r"but \(image, a dict of masks\)$"),
    ],
)
def test_what_is_no_data_set_is_told(given: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        data.as_dataset(given)


def test_torchvisions_own_data_sets_are_shown_the_way(tmp_path: Path) -> None:
    data.ShapesDataset(num_images=1, split="train", size=(64, 64)).export_coco(tmp_path)
    raw = CocoDetection(tmp_path / "images", tmp_path / "train.json")
    with pytest.raises(ValueError, match=r"\(image, a list\): torchvision\.datasets\.wrap_dataset_for_transforms_v2"):
        data.as_dataset(torch.utils.data.Subset(raw, [0]))
