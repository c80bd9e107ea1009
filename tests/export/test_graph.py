"""The ONNX file against the model, by ONNX Runtime."""

import json

import numpy as np
import pytest
import torch

from fcos_edu import FCOS, FCOSConfig
from fcos_edu.export import graph
from fcos_edu.export.agreement import Agreement, ExportError, check_agreement
from fcos_edu.export.graph import export_onnx, onnx_detector, onnx_model
from tests.export.models import random_model

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

CASES = {
    "tiny": {},
    "improved": {},
    "paper": {},
    "torchvision": {},
    "no branch": dict(preset="paper", centerness_branch="none", centerness_inference="computed", group_norm=False,
                      threshold_on="product", sqrt_score=True),
    "no factor, two levels": dict(centerness_inference="none", levels=(3, 4), level_bounds=(0.0, 64.0, float("inf")),
                                  pre_nms_top_k=50, detections_per_image=7, nms_threshold=0.1),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_preset_detects_the_same_on_ten_sizes(case):
    fields = {"preset": case if case in ("tiny", "improved", "paper", "torchvision") else "tiny"} | CASES[case]
    _, found = export_onnx(random_model(**fields))
    assert found.images == 10 and found.detections > 50 and found.edges == 0
    assert found.pixels < 0.01 and found.score < 1e-4


@pytest.fixture(scope="module")
def model():
    return random_model(class_names=("a", "b", "ü"))


@pytest.fixture(scope="module")
def content(model):
    return onnx_model(model).SerializeToString()


def test_the_file_tells_what_it_is(model, content):
    session = runtime.InferenceSession(content)
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape) == ("image", "tensor(uint8)", ["height", "width", 3])
    assert [one.name for one in session.get_outputs()] == ["boxes", "scores", "labels"]
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["names"]) == ["a", "b", "ü"] and about["layout"] == "hwc"
    assert FCOSConfig.from_dict(json.loads(about["config"])) == model.config


def test_extreme_images(model, content):
    """A single pixel, a thread, and one with nothing to find."""
    images = [torch.full((3, *size), 200, dtype=torch.uint8) for size in ((1, 1), (1, 300), (500, 2))]
    assert check_agreement(onnx_detector(content), model, images).images == 3
    nothing = onnx_detector(content)(images[0], 1.0)
    assert {name: tuple(one.shape) for name, one in nothing.items()} == {
        "boxes": (0, 4),
        "scores": (0,),
        "labels": (0,),
    }
    assert nothing["labels"].dtype == torch.int64


def test_channels_may_come_first(model, content):
    image = np.random.default_rng(0).integers(0, 256, (70, 50, 3), dtype=np.uint8)
    first = runtime.InferenceSession(onnx_model(model, "chw").SerializeToString())
    last = runtime.InferenceSession(content)
    for one, other in zip(first.run(None, {"image": image.transpose(2, 0, 1)}), last.run(None, {"image": image})):
        assert np.array_equal(one, other)


@pytest.mark.weekly
def test_the_newer_exporter_gives_the_same():
    pytest.importorskip("onnxscript")
    small = random_model(levels=(4, 5), level_bounds=(0.0, 64.0, float("inf")))
    found = check_agreement(onnx_detector(onnx_model(small, traced=False).SerializeToString()), small)
    assert found.detections > 50


def test_the_newer_exporter_has_its_turn_where_tracing_fails_or_is_wrong(model, monkeypatch):
    tried = []

    def compared(model, layout, *, traced):
        tried.append(traced)
        if traced:
            raise ExportError("the traced one differs")
        return b"", Agreement(10, 1, 0.0, 0.0, 0)

    monkeypatch.setattr(graph, "_compared", compared)
    assert export_onnx(model)[0] == b"" and tried == [True, False]
    monkeypatch.setattr(graph, "_compared", lambda *a, traced: (_ for _ in ()).throw(ExportError(f"traced={traced}")))
    with pytest.raises(ExportError, match=r"traced=False; by tracing: traced=True"):
        export_onnx(model)


def test_what_cannot_be_exported_is_told(model, monkeypatch):
    oracle = random_model(centerness_inference="oracle")
    with pytest.raises(ExportError, match="'oracle', which needs the true boxes"):
        onnx_model(oracle)
    monkeypatch.setattr("importlib.import_module", lambda name: (_ for _ in ()).throw(ImportError(f"no {name}")))
    with pytest.raises(ExportError, match=r'needs the package onnx: pip install "fcos-edu\[export\]"'):
        export_onnx(model)


def test_the_graph_is_compared_not_believed(model, monkeypatch):
    """Another picture's mean in the graph: the comparison must see it."""
    monkeypatch.setattr(graph, "IMAGE_MEAN", (0.5, 0.5, 0.5))
    with pytest.raises(ExportError, match="does not detect what the model does"):
        graph._compared(model, "hwc", traced=True)


def test_a_detector_of_the_package():
    found = export_onnx(FCOS.pretrained("shapes"))[1]
    assert found.detections > 100
