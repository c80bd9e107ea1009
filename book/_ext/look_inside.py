"""The page *Look inside*: what its script is given, written beside the site when it is built.

- The scripts and ``page.css`` in ``_static/look_inside``, from ``book/_look_inside``: out of
  ``book/_static`` Jupyter Book would load them on every page.
- ``shapes.js``, ``bccd.js`` and ``people.js``: the checkpoints that come with the package, and prepared pictures, as
  base64, because from a disk a page may load scripts and nothing else.
- ``first.jpg``: what the landing page's copy (the directive ``look-here``) shows before it is started.

BCCD's photographs are no part of the repository: where they do not lie in the data folder, the page is built without.
Those of people come with matplotlib and scikit-image.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import shutil
import warnings
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch
from docutils import nodes
from docutils.parsers.rst import Directive
from PIL import Image
from sphinx.application import Sphinx

from fcos_edu import FCOS
from fcos_edu.config import PACKAGED
from fcos_edu.data import load
from fcos_edu.data.photographs import PHOTOGRAPHS
from fcos_edu.data.sources import SOURCES, data_root
from fcos_edu.data.voc import VOCDataset
from fcos_edu.drawing import draw_detections
from fcos_edu.weights import packaged
from fcos_edu.widgets.piece import style

PAGE = "look_inside"
SOURCE = Path(__file__).resolve().parents[1] / "_look_inside"
SHAPES = (11, 28, 36)  # of the test split, which no training run sees
SMEARS = 3  # photographs of BCCD's test split
LANDING = 1  # which of BCCD's the landing page shows
PORTRAIT = "hopper"  # the photograph of a person that is on every machine
THRESHOLD = 0.3  # of scores, as the page begins
SCRIPTS = ("network", "truth", "maps", "page")  # in the order in which they need each other


def shapes_pictures() -> list[dict[str, Any]]:
    """Generated pictures that the detector has not seen, as PNG files."""
    drawn = load("shapes", "test", num_images=max(SHAPES) + 1)
    pictures = []
    for number, index in enumerate(SHAPES, start=1):
        file = io.BytesIO()
        image, target = drawn[index]
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        picture.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(file, format="png", optimize=True)
        pictures.append(_picture(f"Shapes {number}", "image/png", file.getvalue(), target))
    return pictures


def bccd_pictures(folder: Path) -> list[dict[str, Any]]:
    """Photographs of BCCD's test split as they are, with their boxes; none where its folder is not there."""
    split = folder / "ImageSets" / "Main" / "test.txt"
    if not split.is_file():
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the boxes that are left out, which whoever trains on them hears of
        photographs = VOCDataset(folder, "test", classes=SOURCES["bccd"].classes)
    pictures = []
    for number, index in enumerate(range(0, len(photographs), len(photographs) // SMEARS)[:SMEARS], start=1):
        data = (folder / "JPEGImages" / photographs.file_name(index)).read_bytes()
        pictures.append(_picture(f"Blood {number}", "image/jpeg", data, photographs[index][1]))
    return pictures


def people_pictures() -> list[dict[str, Any]]:
    """Photographs of people that may be shown, with their boxes: those that are on this machine."""
    pictures = []
    for photograph in PHOTOGRAPHS.values():
        if photograph.path is None:
            continue
        image, target = photograph.read()
        file = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=90)
        pictures.append(_picture(photograph.title, "image/jpeg", file.getvalue(), target))
    return pictures


def _picture(name: str, kind: str, data: bytes, target: dict[str, Any]) -> dict[str, Any]:
    """A picture and its truth, in its own pixels."""
    truth = {key: target[key].tolist() for key in ("boxes", "labels")}
    return {"name": name, "kind": kind, "data": base64.b64encode(data).decode(), "truth": truth}


def script(name: str, pictures: list[dict[str, Any]]) -> str:
    """A packaged detector and its pictures as a script."""
    given: dict[str, Any] = {"checkpoint": base64.b64encode(Path(packaged(name)).read_bytes()).decode()}
    content = json.dumps(given | {"pictures": pictures}, separators=(",", ":"))
    return f"(globalThis.lookInsideData ??= {{}}).{name} = {content};\n"


def blood() -> Path:
    """Where BCCD lies, if anywhere."""
    return data_root() / SOURCES["bccd"].folder


@functools.cache
@torch.inference_mode()
def still(folder: Path) -> tuple[str, bytes, str]:
    """What the landing page shows before its reader starts the detector: its name, a JPEG file, and what is seen.

    A photograph of BCCD with its many cells; where there is none, one of a person.
    """
    name, pictures, kind = "bccd", bccd_pictures(folder), "A photograph of stained blood cells"
    if not pictures:
        name, pictures, kind = "people", people_pictures(), f"The photograph {PHOTOGRAPHS[PORTRAIT].title}"
    data = base64.b64decode(pictures[first_of(name)]["data"])
    image = torch.from_numpy(np.array(Image.open(io.BytesIO(data)).convert("RGB"))).permute(2, 0, 1)
    model = FCOS.pretrained(name).set_inference(score_threshold=THRESHOLD)
    (found,) = model([image])
    names = model.config.class_names
    counts = Counter(names[label] for label in found["labels"].tolist())
    told = ", ".join(f"{count} {word}" for word, count in counts.items()) or "nothing"
    file = io.BytesIO()
    Image.fromarray(draw_detections(image, found, names).permute(1, 2, 0).numpy()).save(file, "JPEG", quality=88)
    return name, file.getvalue(), f"{kind} with the boxes and scores of the detector: {told}"


def first_of(name: str) -> int:
    """Which of a detector's pictures the landing page shows."""
    return LANDING if name == "bccd" else 0


class LookHere(Directive):
    """``{look-here}``: the landing page's copy, a picture that becomes the detector when its reader asks for it."""

    def run(self) -> list[nodes.Node]:
        """Called by docutils."""
        name, _, seen = still(blood())
        credit = (
            "A photograph that the detector was not trained on, with all that it finds at a class score above "
            f"{THRESHOLD}, its mistakes too."
        )
        if name == "bccd":
            licence = "MIT licence"
            if (blood() / "LICENSE").is_file():
                licence = f'<a href="_static/{PAGE}/bccd_license.txt">{licence}</a>'
            source = '<a href="https://github.com/Shenggan/BCCD_Dataset">BCCD dataset</a>'
            credit += f" From the test split of the {source}, © 2017 shenggan, {licence}."
        else:
            shown = PHOTOGRAPHS[PORTRAIT]
            credit += f' <a href="{shown.link}">{escape(shown.credit)}</a>.'
        scripts = "".join(f'<script src="_static/{PAGE}/{each}.js"></script>' for each in SCRIPTS)
        html = f"""<link rel="stylesheet" href="_static/{PAGE}/page.css">
<div class="look-small" role="group" aria-label="The detector in this page" data-detector="{name}"
 data-picture="{first_of(name)}" data-lm-suppress-shortcuts="true">
<img src="_static/{PAGE}/first.jpg" alt="{escape(seen)}">
<button type="button" class="look-go" hidden>Run the detector here</button>
</div>
<p class="look-credit">{credit}</p>
{scripts}"""
        return [nodes.raw("", html, format="html")]


def write(folder: Path) -> None:
    """All files of the page into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "first.jpg").write_bytes(still(blood())[1])
    for path in sorted(SOURCE.glob("*.js")):
        shutil.copyfile(path, folder / path.name)
    own = (SOURCE / "page.css").read_text("utf-8")
    (folder / "page.css").write_text("\n".join([style("base"), style("explore"), own]), "utf-8")
    pictures = {"shapes": shapes_pictures(), "bccd": bccd_pictures(blood()), "people": people_pictures()}
    for name in PACKAGED:
        (folder / f"{name}.js").write_text(script(name, pictures[name]), "utf-8")
    if pictures["bccd"] and (blood() / "LICENSE").is_file():  # MIT: the notice goes with the photographs
        shutil.copyfile(blood() / "LICENSE", folder / "bccd_license.txt")


def finish(app: Sphinx, error: Exception | None) -> None:
    """Beside the built site, if it has the page (the event ``build-finished``)."""
    if error is None and PAGE in app.env.found_docs:
        write(Path(app.outdir) / "_static" / PAGE)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("build-finished", finish)
    app.add_directive("look-here", LookHere)
    return {"parallel_read_safe": True}
