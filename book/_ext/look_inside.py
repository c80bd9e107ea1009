"""The page *Look inside*: what its script is given, written beside the site when it is built.

- ``network.js``, ``page.js`` and ``page.css`` in ``_static/look_inside``, from ``book/_look_inside``: out of
  ``book/_static`` Jupyter Book would load them on every page.
- ``shapes.js`` and ``bccd.js``: the checkpoints that come with the package, and prepared pictures, as base64, because
  from a disk a page may load scripts and nothing else.

BCCD's photographs are no part of the repository: where they do not lie in the data folder, the page is built without.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

from PIL import Image
from sphinx.application import Sphinx

from fcos_edu.config import PACKAGED
from fcos_edu.data import load
from fcos_edu.data.sources import SOURCES, data_root
from fcos_edu.data.voc import VOCDataset
from fcos_edu.weights import packaged
from fcos_edu.widgets.piece import style

PAGE = "look_inside"
SOURCE = Path(__file__).resolve().parents[1] / "_look_inside"
SHAPES = (11, 28, 36)  # of the test split, which no training run sees
PHOTOGRAPHS = 3  # of BCCD's test split


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
    for number, index in enumerate(range(0, len(photographs), len(photographs) // PHOTOGRAPHS)[:PHOTOGRAPHS], start=1):
        data = (folder / "JPEGImages" / photographs.file_name(index)).read_bytes()
        pictures.append(_picture(f"Blood {number}", "image/jpeg", data, photographs[index][1]))
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


def write(folder: Path) -> None:
    """All files of the page into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(SOURCE.glob("*.js")):
        shutil.copyfile(path, folder / path.name)
    own = (SOURCE / "page.css").read_text("utf-8")
    (folder / "page.css").write_text("\n".join([style("base"), style("explore"), own]), "utf-8")
    blood = data_root() / SOURCES["bccd"].folder
    pictures = {"shapes": shapes_pictures(), "bccd": bccd_pictures(blood)}
    for name in PACKAGED:
        (folder / f"{name}.js").write_text(script(name, pictures.get(name, [])), "utf-8")
    if pictures["bccd"] and (blood / "LICENSE").is_file():  # MIT: the notice goes with the photographs
        shutil.copyfile(blood / "LICENSE", folder / "bccd_license.txt")


def finish(app: Sphinx, error: Exception | None) -> None:
    """Beside the built site, if it has the page (the event ``build-finished``)."""
    if error is None and PAGE in app.env.found_docs:
        write(Path(app.outdir) / "_static" / PAGE)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True}
