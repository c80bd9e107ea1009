"""The whole detector as an ONNX graph, from an image of bytes to boxes in its pixels.

Taught on the page *Deploying*. Checked against: the model, by ONNX Runtime, on images of many sizes.

Two halves. The network is translated by torch's own exporter. What lies before and behind it is written here, node by
node: :class:`~fcos_edu.images.ImageBatcher` for one image (``_before``) and :func:`~fcos_edu.inference.detect`
(``_behind``). An exporter would have to follow sizes that are computed from the image's, and NMS; written by hand
they are few nodes, the same with every version of torch.

torch has two exporters. The one that traces takes a second and is on its way out; the newer one takes half a minute and
the package onnxscript. So the network is traced where that still works and agrees with the model; otherwise the newer
one has its turn.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._version import __version__
from ..config import FCOSConfig
from ..images import IMAGE_MEAN, IMAGE_STD
from ..model import FCOS
from .agreement import Agreement, ExportError, Found, check_agreement
from .program import refuse

OPSET = 18
IR_VERSION = 10  # what runtimes since 2024 read
_OUTPUTS = ("logits", "distances", "centerness")
Name = str


class Nodes:
    """Nodes of a graph, one after the other: a call adds one, and gives the name of its result.

    What goes in are names of results, or NumPy arrays and plain numbers (int64) as constants.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[Name, np.ndarray[Any, Any]] = {}

    def __call__(self, kind: str, *inputs: Any, result: Name = "", **attributes: Any) -> Name:
        """Add a node of this kind; ``result`` names what comes out of it, where a name is wanted."""
        from onnx import helper

        result = result or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.name(one) for one in inputs], [result], **attributes))
        return result

    def name(self, given: Any) -> Name:
        """Of a result, or of a constant that is made for it."""
        if isinstance(given, str):
            return given
        value = np.asarray(given, dtype=np.int64 if isinstance(given, (int, list)) else None)
        name = f"constant_{len(self.constants)}"
        self.constants[name] = value
        return name


def f32(value: Any) -> np.ndarray[Any, Any]:
    """A float32 constant."""
    return np.asarray(value, dtype=np.float32)


def f64(value: Any) -> np.ndarray[Any, Any]:
    """A float64 constant."""
    return np.asarray(value, dtype=np.float64)


def onnx_model(model: FCOS, layout: str = "hwc", *, traced: bool = True) -> Any:
    """The detector as an ``onnx.ModelProto``.

    Input: ``image``, uint8 ``(height, width, 3)``, or ``(3, height, width)`` with the layout ``"chw"``. Outputs:
    ``boxes`` (K, 4) xyxy in pixels of the image, ``scores`` (K,), ``labels`` (K,) int64, highest score first. The
    metadata have ``names``, the classes as a JSON list, ``config`` and ``layout``.

    Args:
        model: on the CPU.
        layout: of the image.
        traced: let torch's tracing exporter translate the network, or the newer one.

    Raises:
        ExportError: the network cannot be translated, the package onnx is missing, or the configuration needs the true
            boxes.
    """
    refuse(model.config, "an ONNX graph")
    needed("onnx")
    import onnx.compose
    from onnx import TensorProto, helper, numpy_helper

    config = model.config
    network = onnx.compose.add_prefix(_network(model, traced=traced), "network/")
    nodes = Nodes()
    canvas, given, size = _before(nodes, config, layout)
    own = {f"network/{name}": name for name in _OUTPUTS} | {"network/canvas": canvas}
    before = len(nodes.nodes)
    _behind(nodes, config, canvas, given, size)
    for node in network.graph.node:
        node.input[:] = [own.get(name, name) for name in node.input]
        node.output[:] = [own.get(name, name) for name in node.output]
    all_nodes = [*nodes.nodes[:before], *network.graph.node, *nodes.nodes[before:]]
    sides = ["height", "width"]
    made = helper.make_graph(
        all_nodes,
        "fcos",
        inputs=[
            helper.make_tensor_value_info("image", TensorProto.UINT8, [*sides, 3] if layout == "hwc" else [3, *sides])
        ],
        outputs=[
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["detections", 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["detections"]),
            helper.make_tensor_value_info("labels", TensorProto.INT64, ["detections"]),
        ],
        initializer=[
            numpy_helper.from_array(f32(config.score_threshold), "score_threshold"),
            *(numpy_helper.from_array(value, name) for name, value in nodes.constants.items()),
            *network.graph.initializer,
        ],
    )
    result = helper.make_model(
        made, opset_imports=network.opset_import, functions=network.functions, producer_name="fcos-edu",
        producer_version=__version__, ir_version=IR_VERSION,
    )  # fmt: skip
    helper.set_model_props(result, {"names": json.dumps(list(config.class_names)), "layout": layout,
                                    "config": json.dumps(config.to_dict())})  # fmt: skip
    onnx.checker.check_model(result, full_check=True)
    return result


def onnx_detector(content: bytes, layout: str = "hwc", *, threads: int = 0) -> Callable[[Tensor, float], Found]:
    """A function from an image ``(3, H, W)`` uint8 and a threshold to detections, by ONNX Runtime on the CPU.

    With another threshold than the file's own, the file is changed in that one number.

    Args:
        content: of an ``.onnx`` file.
        layout: that it was made for.
        threads: to compute with; 0 for as many as there are cores.

    Raises:
        ExportError: the package onnxruntime is missing.
    """
    onnx, runtime = needed("onnx"), needed("onnxruntime")

    def session(of: bytes) -> Any:
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        return runtime.InferenceSession(of, options, providers=["CPUExecutionProvider"])

    def with_threshold(score_threshold: float) -> bytes:
        changed = onnx.load_from_string(content)
        (own,) = (one for one in changed.graph.initializer if one.name == "score_threshold")
        own.CopyFrom(onnx.numpy_helper.from_array(f32(score_threshold), own.name))
        return changed.SerializeToString()  # type: ignore[no-any-return]

    whole = session(content)
    config = FCOSConfig.from_dict(json.loads(whole.get_modelmeta().custom_metadata_map["config"]))

    def detect(image: Tensor, score_threshold: float) -> Found:
        pixels = (image.permute(1, 2, 0) if layout == "hwc" else image).contiguous().numpy()
        asked = whole if score_threshold == config.score_threshold else session(with_threshold(score_threshold))
        names = ["boxes", "scores", "labels"]
        found = asked.run(names, {"image": pixels})
        return {name: torch.from_numpy(one) for name, one in zip(names, found, strict=True)}

    return detect


def export_onnx(model: FCOS, layout: str = "hwc") -> tuple[bytes, Agreement]:
    """The content of an ``.onnx`` file that was run and compared with the model.

    Raises:
        ExportError: as :func:`onnx_model`, or it does not detect what the model does, by either of torch's exporters.
    """
    for name in ("onnx", "onnxruntime"):
        needed(name)
    try:
        return _compared(model, layout, traced=True)
    except ExportError as first:
        try:
            return _compared(model, layout, traced=False)
        except ExportError as second:
            raise ExportError(f"{second}; by tracing: {first}") from second


def _compared(model: FCOS, layout: str, *, traced: bool) -> tuple[bytes, Agreement]:
    content = onnx_model(model, layout, traced=traced).SerializeToString()
    return content, check_agreement(onnx_detector(content, layout), model)


def needed(name: str) -> Any:
    """A package of the extra ``export``.

    Raises:
        ExportError: it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise ExportError(
            f'an export to ONNX needs the package {name}: pip install "fcos-edu[export]" ({error})'
        ) from error


# ---------------------------------------------------------------------- the network
class _Network(nn.Module):
    """A canvas ``(1, 3, H, W)`` to logits, distances and, with a branch, center-ness."""

    def __init__(self, model: FCOS) -> None:
        super().__init__()
        frozen = model.for_inference()
        self.pyramid, self.head = frozen.pyramid, frozen.head

    def forward(self, canvas: Tensor) -> tuple[Tensor, ...]:
        return tuple(part for part in self.head(self.pyramid(canvas)) if part is not None)


def _network(model: FCOS, *, traced: bool) -> Any:
    """The network alone, its input ``canvas`` and its outputs named as the fields of ``HeadOutput``."""
    import onnx

    network, divisor = _Network(model).eval(), model.config.size_divisor
    cells = [max(2, -(-64 * i // divisor)) for i in (3, 4)]  # of no special size
    example = torch.rand(1, 3, *(divisor * n for n in cells))
    names = list(_OUTPUTS[: len(network(example))])
    try:
        with torch.no_grad(), _quiet():
            if traced:
                content: Any = io.BytesIO()  # which torch takes, though its types do not say so
                axes = {"canvas": {2: "height", 3: "width"}} | {name: {1: "locations"} for name in names}
                torch.onnx.export(
                    network, (example,), content, dynamo=False, opset_version=OPSET, input_names=["canvas"],
                    output_names=names, dynamic_axes=axes,
                )  # fmt: skip
                return onnx.load_from_string(content.getvalue())
            most = -(-model.config.max_size // divisor)
            sides = (torch.export.Dim(name, min=1, max=max(most, *cells)) for name in ("rows", "columns"))
            dims = {2 + i: divisor * side for i, side in enumerate(sides)}
            written: Any = torch.onnx.export(
                network, (example,), dynamo=True, opset_version=OPSET, input_names=["canvas"], output_names=names,
                dynamic_shapes=(dims,), verbose=False,
            )  # fmt: skip
            return written.model_proto
    except Exception as error:  # each exporter and each network has its own way of refusing
        how = "tracing" if traced else "torch.export"
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        raise ExportError(
            f"torch cannot write {model.config.backbone!r} as ONNX by {how} ({type(error).__name__}: {reason})"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's words on tracing: what a trace may miss, the comparison finds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# ---------------------------------------------------------------------- before and behind it
def _before(g: Nodes, config: FCOSConfig, layout: str) -> tuple[Name, Name, Name]:
    """The image to a canvas; and (height, width) of the image and on the canvas, int64 of shape (2,)."""
    image = g("Transpose", "image", perm=[2, 0, 1]) if layout == "hwc" else "image"
    batch = g("Unsqueeze", g("Div", g("Cast", image, to=1), f32(255)), [0])
    given = g("Slice", g("Shape", batch), [2], [4])
    exact = g("Cast", given, to=11)  # float64, as Python computes sizes
    short, long = g("ReduceMin", exact, keepdims=0), g("ReduceMax", exact, keepdims=0)
    scale = g("Min", g("Div", f64(config.min_size), short), g("Div", f64(config.max_size), long))
    side = g("Floor" if config.torchvision_quirks else "Round", g("Mul", exact, scale))
    size = g("Cast", g("Max", side, f64(1)), to=7)
    resized = g(
        "Resize", batch, "", "", g("Concat", [1, 3], size, axis=0),
        mode="linear", coordinate_transformation_mode="half_pixel",
    )  # fmt: skip
    clamped = g("Clip", resized, f32(0), f32(1))
    mean, std = (f32(values)[:, None, None] for values in (IMAGE_MEAN, IMAGE_STD))
    normal = g("Div", g("Sub", clamped, mean), std)
    divisor = config.size_divisor
    whole = g("Mul", g("Div", g("Add", size, divisor - 1), divisor), divisor)
    pads = g("Concat", [0, 0, 0, 0, 0, 0], g("Sub", whole, size), axis=0)
    return g("Pad", normal, pads, result="canvas"), given, size


def _behind(g: Nodes, config: FCOSConfig, canvas: Name, given: Name, size: Name) -> None:
    """Predictions of all locations to ``boxes``, ``scores`` and ``labels``, as :func:`~fcos_edu.inference.detect`."""
    sides = g("Slice", g("Shape", canvas), [2], [4])
    logits, distances = g("Squeeze", "logits", [0]), g("Squeeze", "distances", [0])
    quality = _quality(g, config, distances)
    start, first, found = g("Identity", [0]), None, []
    for stride in config.strides:
        cells = g("Div", g("Add", sides, stride - 1), stride)  # (rows, columns)
        first = cells if first is None else first
        pitch = g("Div", g("Mul", first, config.strides[0]), cells) if config.torchvision_quirks else None
        end = g("Add", start, g("ReduceProd", cells))
        level = tuple(g("Slice", part, start, end, [0]) if part else None for part in (logits, distances, quality))
        found.append(_candidates(g, config, stride, cells, pitch, level))
        start = end
    scores, labels, boxes = (g("Concat", *parts, axis=0) for parts in zip(*found, strict=True))
    count = g("Shape", scores)
    scores, order = _top(g, scores, count)
    labels = g("Gather", labels, order)
    limit = g("Cast", _xyxy(g, size), to=1)
    boxes = g("Min", g("Max", g("Gather", boxes, order), f32(0)), limit)

    # One row of scores for each class; those of other classes and below the threshold are -1, which NMS leaves out.
    rows = g("Equal", g("Unsqueeze", labels, [0]), np.arange(config.num_classes)[:, None])
    rows = g("Where", rows, g("Unsqueeze", scores, [0]), f32(-1))
    chosen = g(
        "NonMaxSuppression", g("Unsqueeze", boxes, [0]), g("Unsqueeze", rows, [0]),
        [config.detections_per_image], f32(config.nms_threshold), f32(-0.5),
    )  # fmt: skip
    # Its results come class by class; by place they are sorted by score.
    place = g("Squeeze", g("Slice", chosen, [2], [3], [1]), [1])
    mark = g("ScatterElements", g("Expand", 0, count), place, g("Expand", 1, g("Shape", place)), axis=0)
    kept = g("Slice", g("Squeeze", g("NonZero", mark), [0]), [0], [config.detections_per_image])
    back = g("Div", g("Cast", _xyxy(g, given), to=11), g("Cast", _xyxy(g, size), to=11))
    g("Cast", g("Mul", g("Cast", g("Gather", boxes, kept), to=11), back), to=1, result="boxes")
    g("Gather", scores, kept, result="scores")
    g("Gather", labels, kept, result="labels")


def _quality(g: Nodes, config: FCOSConfig, distances: Name) -> Name | None:
    """Table 4's factor of each location, ``(L, 1)``, or None."""
    if config.centerness_inference == "branch":
        return g("Unsqueeze", g("Sigmoid", g("Squeeze", "centerness", [0])), [1])
    if config.centerness_inference == "none":
        return None
    left, top, right, bottom = (g("Slice", distances, [i], [i + 1], [1]) for i in range(4))
    tiny = f32(np.finfo(np.float32).tiny)
    shares = [g("Div", g("Min", *two), g("Max", *two, tiny)) for two in ((left, right), (top, bottom))]
    return g("Sqrt", g("Mul", *shares))


def _candidates(
    g: Nodes, config: FCOSConfig, stride: int, cells: Name, pitch: Name | None, level: tuple[Name | None, ...]
) -> tuple[Name, Name, Name]:
    """Scores, labels and boxes on the canvas of a level's best pairs of a location and a class; -1 below the threshold.

    Args:
        g: where the nodes go.
        config: of the model.
        stride: of the level.
        cells: (rows, columns) of its map.
        pitch: between its rows and its columns, where they are not the stride.
        level: logits ``(n, C)``, distances ``(n, 4)`` and the factor ``(n, 1)`` or None of its locations.
    """
    logits, distances, quality = level
    probability = g("Sigmoid", logits)
    score = g("Mul", probability, quality) if quality else probability
    score = g("Sqrt", score) if config.sqrt_score else score
    passed = g("Greater", probability if config.threshold_on == "class" else score, "score_threshold")
    score = g("Reshape", g("Where", passed, score, f32(-1)), [-1])
    best, pairs = _top(g, score, g("Min", g("Shape", score), [config.pre_nms_top_k]))
    where, labels = g("Div", pairs, config.num_classes), g("Mod", pairs, config.num_classes)
    columns = g("Slice", cells, [1], [2])
    place = g("Concat", *(g("Unsqueeze", g(op, where, columns), [1]) for op in ("Mod", "Div")), axis=1)  # (k, xy)
    if pitch is None:
        start = stride // 2 if config.location_offset == "half_stride" else 0
        points = g("Add", g("Mul", place, stride), start)
    else:  # torchvision_quirks, which has no half stride
        points = g("Mul", place, g("Gather", pitch, [1, 0]))
    points = g("Cast", points, to=1)
    ltrb = g("Gather", distances, where)
    ltrb = g("Mul", ltrb, f32(stride)) if config.normalize_targets else ltrb
    before, after = g("Slice", ltrb, [0], [2], [1]), g("Slice", ltrb, [2], [4], [1])
    return best, labels, g("Concat", g("Sub", points, before), g("Add", points, after), axis=1)


def _top(g: Nodes, scores: Name, count: Name) -> tuple[Name, Name]:
    """The highest ones and their places; of equal ones the first come first."""
    from onnx import helper

    values, places = (f"{word}_{len(g.nodes)}" for word in ("highest", "places"))
    g.nodes.append(helper.make_node("TopK", [scores, g.name(count)], [values, places], largest=1, sorted=1))
    return values, places


def _xyxy(g: Nodes, sides: Name) -> Name:
    """(height, width) as (width, height, width, height)."""
    return g("Gather", sides, [1, 0, 1, 0])
