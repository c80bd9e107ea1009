"""The page *Look inside*: its network in JavaScript, as the page has it, beside the package, in a real browser."""

from __future__ import annotations

import base64
import functools
import importlib.util
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from torchvision.ops import box_iou

from fcos_edu import FCOS, FCOSConfig
from fcos_edu.centerness import centerness
from fcos_edu.config import PACKAGED
from fcos_edu.data import load
from fcos_edu.data.photographs import PHOTOGRAPHS
from fcos_edu.images import resized_size, scale_boxes
from fcos_edu.locations import Grid
from fcos_edu.targets import candidates, ltrb_to_boxes, make_targets, pad_boxes
from fcos_edu.weights import packaged

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "book" / "_look_inside"
SIZES = ((256, 256), (150, 333), (301, 240))  # enlarged and reduced, padded at the right and below
PICTURES = 20
SETTINGS = ({}, {"score_threshold": 0.3, "nms_threshold": 0.3, "centerness_inference": "none"})

# The page works while we ask the package: `begin` returns at once, `results` waits.
SCRIPT = """(() => {
  const inside = fcosInThePage();
  const pack = (arrays) => {
    const bytes = new Uint8Array(arrays.reduce((sum, one) => sum + one.byteLength, 0));
    let at = 0, text = "";
    for (const one of arrays) {
      bytes.set(new Uint8Array(one.buffer, one.byteOffset, one.byteLength), at);
      at += one.byteLength;
    }
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(text);
  };
  const wanted = ({ level, cell, label, rank, score, box, canvasBox, by, iou, kept }) =>
    ({ level, cell, label, rank, score, box, canvasBox, by, iou, kept });

  function look({ checkpoint, pictures, settings }) {
    const read = inside.parse(checkpoint), run = inside.detector(read);
    return pictures.map(({ picture, height, width }) => {
      const seen = run(Uint8ClampedArray.from(atob(picture), (letter) => letter.charCodeAt(0)), height, width);
      const all = (key) => pack(seen.levels.map((level) => level[key]));
      return {
        canvas: seen.canvas, logits: all("logits"), distances: all("distances"), centerness: all("centerness"),
        found: settings.map((each) => inside.detect(seen, read.config, each).map(wanted)),
      };
    });
  }

  function targets({ height, width, boxes, config }) {
    const grid = inside.grid(height, width, config), own = inside.onCanvasBoxes(boxes, grid);
    const all = grid.levels.flatMap(({ height: rows, width: columns }, level) =>
      Array.from({ length: rows * columns }, (_, cell) => inside.target(grid, level, cell, own, config)));
    return {
      canvas: grid.canvas, boxes: own, matched: all.map((one) => one.matched),
      wanted: all.map((one) => one.wanted ?? [0, 0, 0, 0]), ltrb: all.map((one) => one.ltrb ?? [0, 0, 0, 0]),
      centerness: all.map((one) => one.centerness), candidates: all.map((one) => one.candidates.length),
      levels: all.map((one) => one.claims[one.matched]?.levels ?? []),
    };
  }

  function features({ checkpoint, picture, height, width }) {
    const run = inside.detector(inside.parse(checkpoint));
    const { size } = run(Uint8ClampedArray.from(atob(picture), (letter) => letter.charCodeAt(0)), height, width);
    const names = new Set([3, 4, 5, 6, 7].flatMap((level) => Object.values(run.stages(level)).flat()));
    return Object.fromEntries([...names].map((name) => {
      const { values, peaks, strongest, colours, ...rest } = run.features(name, size);
      const packed = { values: pack([values]), peaks: pack([peaks]), colours: pack([colours]) };
      return [name, { ...rest, size, strongest, ...packed }];
    }));
  }

  const results = {};
  window.tests = {
    begin(name, given) { setTimeout(() => { results[name] = look(given); }, 0); },
    results: (name) => results[name] ?? null,
    targets: (cases) => cases.map(targets),
    features,
  };
})()"""


def in_letters(data: bytes) -> str:
    """As base64."""
    return base64.b64encode(data).decode()


def read_metadata(path: Path | str) -> dict[str, str]:
    """What a checkpoint says of itself."""
    with safe_open(path, framework="numpy") as file:
        return file.metadata()


@functools.cache
def drawn() -> Any:
    """The first pictures of the test split."""
    return load("shapes", "test", num_images=PICTURES)


def shapes(number: int, height: int, width: int) -> NDArray[np.uint8]:
    """A generated picture, repeated to the size: (H, W, 3)."""
    image, _ = drawn()[number]
    return np.tile(image.permute(1, 2, 0).numpy(), (2, 2, 1))[:height, :width]


def cells(number: int, height: int, width: int) -> NDArray[np.uint8]:
    """Discs with a pale middle on a grainy ground, which excite the detector of blood cells: (H, W, 3)."""
    generator = np.random.default_rng(number)
    y, x = np.mgrid[:height, :width]
    picture = np.full((height, width, 3), (225.0, 215, 210))
    for _ in range(14):
        v, u, r = generator.uniform(0, height), generator.uniform(0, width), generator.uniform(12, 32)
        far = np.hypot(y - v, x - u) / r
        picture[far < 1] = (215, 150, 140) + 40 * (far[far < 1, None] < 0.4)
    return (picture + generator.normal(0, 5, picture.shape)).clip(0, 255).astype(np.uint8)


def people(number: int, height: int, width: int) -> NDArray[np.uint8]:
    """A window onto one of the photographs that may be shown, made larger or smaller: (H, W, 3)."""
    here = [photograph for photograph in PHOTOGRAPHS.values() if photograph.path]
    image, _ = here[number % len(here)].read()
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    generator = np.random.default_rng(number)
    share = generator.uniform(0.7, 1) * min(picture.width / width, picture.height / height)
    left, top = generator.uniform(0, (picture.width - share * width, picture.height - share * height))
    window = (left, top, left + share * width, top + share * height)
    return np.array(picture.resize((width, height), Image.Resampling.BILINEAR, box=window))


@functools.cache
def given_pictures(name: str) -> list[NDArray[np.uint8]]:
    """What a detector looks at: 20 pictures of three sizes, (H, W, 3) each."""
    draw = {"shapes": shapes, "bccd": cells, "people": people}[name]
    return [draw(number, *SIZES[number % len(SIZES)]) for number in range(PICTURES)]


@pytest.fixture(scope="module")
def page(chromium: Any) -> Iterator[Any]:
    """One page for all; every detector is at work there from the first moment on."""
    page = chromium.new_page()
    page.set_default_timeout(180_000)
    page.add_script_tag(content=(FOLDER / "network.js").read_text("utf-8"))
    page.evaluate(SCRIPT)
    for name in PACKAGED:
        config = FCOSConfig.from_dict(json.loads(read_metadata(packaged(name))["config"]))
        settings = [
            {"threshold": c.score_threshold, "nms": c.nms_threshold, "centerness": c.centerness_inference == "branch"}
            for c in (config.replace(**changes) for changes in SETTINGS)
        ]
        pictures = []
        for picture in given_pictures(name):
            height, width = picture.shape[:2]
            rgba = np.dstack([picture, np.full((height, width), 255, dtype=np.uint8)])
            pictures.append({"picture": in_letters(rgba.tobytes()), "height": height, "width": width})
        given = {"checkpoint": in_letters(Path(packaged(name)).read_bytes()), "pictures": pictures}
        page.evaluate("([name, given]) => tests.begin(name, given)", [name, given | {"settings": settings}])
    yield page
    page.close()


@pytest.mark.parametrize("name", PACKAGED)
@torch.inference_mode()
def test_the_network_in_the_page_is_the_package(page: Any, name: str) -> None:
    model = FCOS.pretrained(name)
    ours = []
    for picture in given_pictures(name):
        (seen,) = model.predictions([torch.tensor(picture).permute(2, 0, 1)])
        configs = [model.config.replace(**changes) for changes in SETTINGS]
        ours.append((seen, [(each, model.detections(seen, each)[0]) for each in configs]))
    theirs = page.wait_for_function("(name) => tests.results(name)", arg=name).json_value()
    assert len(theirs) == PICTURES
    total = 0
    for (seen, detections), their in zip(ours, theirs, strict=True):
        assert tuple(their["canvas"]) == seen.grid.canvas
        for key in ("logits", "distances", "centerness"):
            own = getattr(seen.output, key).flatten().double()
            difference = (torch.tensor(np.frombuffer(base64.b64decode(their[key]), np.float32)).double() - own).abs()
            assert (difference / own.abs().clamp(min=1)).max() < 1e-4, key
        for (each, expected), found in zip(detections, their["found"], strict=True):
            total += len(expected["boxes"])
            starts = np.cumsum([0, *seen.grid.counts])
            kept = {(starts[one["level"]] + one["cell"], one["label"]): one for one in found if one["kept"]}
            keys = list(zip(expected["locations"].tolist(), expected["labels"].tolist()))
            assert set(keys) == set(kept), "the same detections"
            for key, box, score in zip(keys, expected["boxes"], expected["scores"].tolist()):
                assert kept[key]["box"] == pytest.approx(box.tolist(), abs=1e-2, rel=1e-4)
                assert kept[key]["score"] == pytest.approx(score, abs=1e-4)
            check_the_story(found, each.nms_threshold)
    assert total > 100


def check_the_story(found: list[dict[str, Any]], threshold: float) -> None:
    """Each candidate is kept, or names a better one of its class that was not suppressed and overlaps it enough."""
    assert [one["rank"] for one in found] == list(range(1, len(found) + 1))
    scores = [one["score"] for one in found]
    assert scores == sorted(scores, reverse=True)
    for place, one in enumerate(found):
        if one["by"] < 0:
            continue
        other = found[one["by"]]
        overlap = box_iou(torch.tensor([one["canvasBox"]]), torch.tensor([other["canvasBox"]])).item()
        assert not one["kept"] and one["by"] < place and other["by"] < 0 and one["label"] == other["label"]
        assert one["iou"] == pytest.approx(overlap, abs=1e-5) and one["iou"] > threshold


# ---- feature maps


def maps_of(model: FCOS, picture: NDArray[np.uint8]) -> dict[str, torch.Tensor]:
    """All that the network computes on the way, by the page's names: (channels, H, W) each."""
    seen: dict[str, torch.Tensor] = {}

    def noted(name: str) -> Callable[..., None]:
        def note(module: torch.nn.Module, given: Any, out: Any) -> None:
            levels = [key for key in (f"{name} P{n}" for n in model.config.levels) if key not in seen]
            seen[levels[0] if name.split()[0] in ("classification", "regression") else name] = out[0].clone()

        return note

    body, fpn, head = model.pyramid.body, model.pyramid.fpn, model.head
    watched = {f"C{i + 1}": body.get_submodule(f"layer{i}") for i in range(1, 5)} | {"stem": body.stem}
    watched |= {f"lateral C{i + 3}": block for i, block in enumerate(fpn.inner_blocks)}
    for name in ("classification", "regression"):
        for step in range(model.config.num_head_convs):
            watched[f"{name} {step + 1}"] = head.get_submodule(f"{name}_tower.{3 * step + 2}")  # after its ReLU
    hooks = [module.register_forward_hook(noted(name)) for name, module in watched.items()]

    def before(name: str) -> Callable[..., None]:
        return lambda module, given: seen.update({name: given[0][0].clone()})

    hooks += [fpn.layer_blocks[i].register_forward_pre_hook(before(f"sum P{i + 3}")) for i in (0, 1)]
    hooks.append(model.pyramid.register_forward_pre_hook(before("pixels")))
    levels: list[torch.Tensor] = []
    hooks.append(model.pyramid.register_forward_hook(lambda module, given, out: levels.extend(x[0] for x in out)))
    list(model.predictions([torch.tensor(picture).permute(2, 0, 1)]))  # a generator, which only now computes
    for hook in hooks:
        hook.remove()
    return seen | {f"P{n}": level for n, level in zip(model.config.levels, levels, strict=True)}


@pytest.mark.parametrize("name", PACKAGED)
@torch.inference_mode()
def test_feature_maps_in_the_page_are_the_package_s(page: Any, name: str) -> None:
    picture = given_pictures(name)[1]  # with padding
    height, width = picture.shape[:2]
    rgba = np.dstack([picture, np.full((height, width), 255, dtype=np.uint8)])
    checkpoint = in_letters(Path(packaged(name)).read_bytes())
    given = {"checkpoint": checkpoint, "picture": in_letters(rgba.tobytes()), "height": height, "width": width}
    theirs = page.evaluate("(given) => tests.features(given)", given)
    ours = maps_of(FCOS.pretrained(name).double(), picture)  # P3 of cells sums hundreds to ones: float32 is off by 1e-4
    assert set(theirs) == set(ours) and len(ours) == 16 + 5 * 4
    for key, their in theirs.items():
        channels, rows, columns = ours[key].shape
        assert (their["channels"], their["height"], their["width"]) == (channels, rows, columns), key
        values = torch.tensor(np.frombuffer(base64.b64decode(their["values"]), np.float32)).reshape(ours[key].shape)
        assert ((values - ours[key]).abs() / ours[key].abs().clamp(min=1)).max() < 2e-5, key
        # The strongest channel is that with the largest value on the picture; the padding does not count.
        bottom, right = (-(-side // their["stride"]) for side in their["size"])
        peaks = values[:, :bottom, :right].abs().amax(dim=(1, 2))
        assert np.frombuffer(base64.b64decode(their["peaks"]), np.float32).tolist() == peaks.tolist()
        strongest = peaks[their["strongest"]]
        assert sorted(their["strongest"]) == list(range(channels)) and (strongest[:-1] >= strongest[1:]).all(), key
        # The larger a value, the lighter; where nothing is, it is dark.
        light = np.frombuffer(base64.b64decode(their["colours"]), np.uint8).reshape(channels, rows, columns, 4)
        sums = light[..., :3].astype(int).sum(-1)
        first = their["strongest"][0]
        if peaks[first] > 0:
            place = np.unravel_index(int(values[first, :bottom, :right].abs().argmax()), (bottom, right))
            assert sums[first][place] > 400 and (light[..., 3] == 255).all(), key
        assert (sums[(values == 0).numpy()] == 76).all(), key


# ---- targets


def cases(name: str) -> Iterator[tuple[int, int, torch.Tensor, FCOSConfig]]:
    """Pictures with boxes, for a detector as it was trained and for others: (height, width, boxes, configuration)."""
    trained = FCOSConfig.from_dict(json.loads(read_metadata(packaged(name))["config"]))
    for number in range(4):
        yield 256, 256, drawn()[number][1]["boxes"].as_subclass(torch.Tensor), trained
    configs = [
        trained,
        trained.replace(center_sampling_radius=None),
        trained.replace(center_sampling_radius=0.5, level_bounds=(0, 30, 61.5, 100, 100.5, float("inf"))),
        trained.replace(center_sampling_radius=None, normalize_targets=False, level_bounds=(0, 20, 40, 80, 160, 300)),
    ]
    random = np.random.default_rng(7)
    for number, config in enumerate(configs * 3):
        height, width = (*SIZES, (480, 640))[number % 4 if number % 2 else 0]
        corners = random.uniform(0, (width, height), size=(14, 2, 2))
        # On whole and on half pixels sides meet locations, areas are equal, and centres lie at the edge of a reach.
        corners = (corners, corners.round(), (corners / 4).round() * 4, (2 * corners).round() / 2)[number % 4]
        boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        boxes = np.concatenate([boxes, boxes[:2, [0, 1, 2, 3]], [[0, 0, width, height], [4, 4, 36, 36]]])
        sides = boxes[:, 2:] - boxes[:, :2]
        yield height, width, torch.tensor(boxes[(sides > 0.5).all(axis=1)], dtype=torch.float32), config
    yield 256, 256, torch.zeros(0, 4), trained


def floats(values: list[Any]) -> torch.Tensor:
    """As float32, whole numbers too."""
    return torch.tensor(values, dtype=torch.float32)


@pytest.mark.parametrize("name", PACKAGED)
def test_targets_in_the_page_are_the_package_s(page: Any, name: str) -> None:
    all_cases = list(cases(name))
    theirs = page.evaluate(
        "(cases) => tests.targets(cases)",
        [
            {"height": height, "width": width, "boxes": boxes.tolist(), "config": config.to_dict()}
            for height, width, boxes, config in all_cases
        ],
    )
    positive = ambiguous = 0
    for (height, width, boxes, config), their in zip(all_cases, theirs, strict=True):
        size = resized_size(height, width, config)
        grid = Grid.of(*their["canvas"], config)
        own = scale_boxes(boxes, (height, width), size)
        assert torch.equal(floats(their["boxes"]).reshape(-1, 4), own), "boxes on the canvas"
        padded = pad_boxes([{"boxes": own, "labels": torch.zeros(len(own))}], own.device)
        targets = make_targets(padded, grid, config)
        matched = targets.matched[0]
        assert their["matched"] == matched.tolist()
        wanted = targets.ltrb[0]
        assert torch.allclose(floats(their["wanted"]), wanted, atol=1e-4, rtol=1e-5)
        assert torch.allclose(floats(their["centerness"]), centerness(wanted), atol=1e-4)
        words, _ = candidates(padded.boxes, padded.valid, grid.sizes, config)
        counts = [sum(bits.bit_count() for bits in each) for each in zip(*(word[0].tolist() for word in words))]
        counts = counts or [0] * len(grid)
        assert their["candidates"] == counts
        # In the pixels of the given picture they name the box that was given there.
        at = matched >= 0
        back = torch.tensor([width / size[1], height / size[0]])
        named = ltrb_to_boxes(grid.points[at] * back, floats(their["ltrb"])[at])
        assert torch.allclose(named, boxes[matched[at]], atol=1e-3)
        # The levels that a box may be learnt on from here: of a matched one, this level is among them.
        for place in at.nonzero().flatten().tolist():
            assert int(grid.levels[place]) in their["levels"][place]
        positive, ambiguous = positive + int(at.sum()), ambiguous + sum(count > 1 for count in counts)
    assert positive > 500 and ambiguous > 100


# ---- what is written beside the built site


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.setenv("FCOS_EDU_DATA", str(tmp_path / "data"))
    spec = importlib.util.spec_from_file_location("look_inside", ROOT / "book" / "_ext" / "look_inside.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_script(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8").partition(" = ")[2].strip().removesuffix(";"))


def test_the_page_is_given_checkpoints_and_pictures(extension: ModuleType, tmp_path: Path) -> None:
    extension.write(tmp_path / "out")
    for name in PACKAGED:
        given = read_script(tmp_path / "out" / f"{name}.js")
        assert base64.b64decode(given["checkpoint"]) == Path(packaged(name)).read_bytes()
        sizes = [Image.open(io.BytesIO(base64.b64decode(one["data"]))).size for one in given["pictures"]]
        photographs = [(512, 600), (512, 512), (512, 512)]
        wanted = {"shapes": [(256, 256)] * len(extension.SHAPES), "people": photographs}
        assert sizes == wanted.get(name, []), "no data, no photograph of blood cells"
        if name == "people":
            assert [one["truth"]["labels"] for one in given["pictures"]] == [[0]] * 3
            continue
        for index, one in zip(extension.SHAPES, given["pictures"]):
            _, target = load("shapes", "test", num_images=index + 1)[index]
            assert one["truth"] == {key: target[key].tolist() for key in ("boxes", "labels")}
    assert Image.open(tmp_path / "out" / "first.jpg").size == (512, 600), "what the landing page shows"
    landing = extension.LookHere.run(None)[0].astext()
    assert "A photograph" in landing and 'data-detector="people"' in landing and "BCCD" not in landing
    assert "Grace Hopper" in landing and "public domain" in landing, "whose it is"
    assert all((tmp_path / "out" / name).is_file() for name in re.findall(r"_static/look_inside/([\w.]+)", landing))
    others = {*(f"{name}.js" for name in PACKAGED), "first.jpg"}
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir() if path.name not in others) < 120_000
    assert not (tmp_path / "out" / "bccd_license.txt").exists()


BOX = "<object><name>{name}</name><bndbox><xmin>{x}</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax></bndbox></object>"


def test_photographs_come_with_their_licence(
    extension: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data" / "bccd"
    monkeypatch.setattr(extension, "still", lambda folder: ("bccd", b"", ""))  # on pictures as small as these
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "JPEGImages").mkdir()
    (folder / "Annotations").mkdir()
    names = [f"cell_{i}" for i in range(7)]
    (folder / "ImageSets" / "Main" / "test.txt").write_text("\n".join(names), "utf-8")
    for i, name in enumerate(names):
        Image.new("RGB", (20 + i, 10)).save(folder / "JPEGImages" / f"{name}.jpg")
        boxes = "".join(BOX.format(name=word, x=2 + i) for word in ("WBC", "RBC")[: 2 - i // 3])
        (folder / "Annotations" / f"{name}.xml").write_text(f"<annotation>{boxes}</annotation>", "utf-8")
    (folder / "LICENSE").write_text("MIT License", "utf-8")
    extension.write(tmp_path / "out")
    pictures = read_script(tmp_path / "out" / "bccd.js")["pictures"]
    assert [base64.b64decode(one["data"]) for one in pictures] == [
        (folder / "JPEGImages" / f"cell_{i}.jpg").read_bytes() for i in (0, 2, 4)
    ], "as they are"
    assert [one["truth"] for one in pictures] == [
        {"boxes": [[1, 1, 9, 8]] * 2, "labels": [1, 0]},
        {"boxes": [[3, 1, 9, 8]] * 2, "labels": [1, 0]},
        {"boxes": [[5, 1, 9, 8]], "labels": [1]},
    ], "their annotations, as the package reads them"
    assert (tmp_path / "out" / "bccd_license.txt").read_text("utf-8") == "MIT License"
    landing = extension.LookHere.run(None)[0].astext()
    assert "shenggan" in landing and '<a href="_static/look_inside/bccd_license.txt">MIT licence</a>' in landing
