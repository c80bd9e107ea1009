"""The readers of what annotation tools write, as ``scripts/fuzz.py`` tries them."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from fcos_edu.data import cvat, imagefolder, labelme, tables, yolo
from fcos_edu.data.annotations import Annotations
from fcos_edu.data.dataset import FileDataset
from scripts.fuzz_inputs import Broken, Target, as_text, broken, changed_json
from scripts.fuzz_readers import TEXTS, annotations_memory, changed_xml, naming, picture, read_all

Read = Callable[[Path], Annotations]


def in_folder(name: str, reader: Read, *names: str, beside: dict[str, str] | None = None) -> Callable[[Path], None]:
    """What reads a folder with this file and two pictures; its errors name the file, or the folder."""

    def read(path: Path) -> None:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            place = Path(folder)
            for one in ("a.png", "b.png"):
                picture(place, one)
            for other, text in (beside or {}).items():
                (place / other).write_text(text)
            path.rename(place / name)
            with naming(name, place.name, *names):
                read_all(FileDataset(reader(place)))

    return read


def lines(rows: list[list[str]], sign: str) -> st.SearchStrategy[Broken]:
    """A text of words with one to three of them changed, left out or doubled."""

    @st.composite
    def changed(draw: st.DrawFn) -> Broken:
        made = [list(row) for row in rows]
        for _ in range(draw(st.integers(1, 3))):
            row = draw(st.sampled_from(made))
            at = draw(st.integers(0, max(0, len(row) - 1)))
            action = draw(st.sampled_from(["word", "word", "leave out", "double"]))
            if action == "word" or not row:
                row[at : at + 1] = [draw(TEXTS)]
            elif action == "leave out":
                del row[at]
            else:
                row.insert(at, row[at])
        return Broken("changed words", "\n".join(sign.join(row) for row in made).encode("utf-8", "surrogatepass"))

    return changed()


def yolo_labels() -> Target:
    """A label file of YOLO's format, beside its picture."""
    rows = [
        ["1", "0.5", "0.5", "0.25", "0.5"],
        ["0", "0.1", "0.2", "0.5", "0.2", "0.3", "0.6"],
        ["2", "0.5", "0.5", "1", "1"],
    ]
    whole = "\n".join(" ".join(row) for row in rows)
    inputs = st.one_of(broken(whole.encode()), broken(whole.encode("utf-16")), lines(rows, " "), lines(rows, " "))
    read = in_folder("a.txt", yolo.read, beside={"data.yaml": "names: [nut, bolt, ring]"})
    return Target(inputs, read, ".txt", (ValueError, OSError), annotations_memory)


def yolo_settings() -> Target:
    """data.yaml, with what YAML can say beyond JSON."""
    whole = "path: ../data\ntrain: ../train/images\nval:\n  - images\nnc: 2\nnames:\n  0: nut\n  1: 'bolt'\n"
    document = {"train": ".", "val": ["."], "names": ["nut", "bolt"], "nc": 2}
    odd = st.sampled_from(
        ["names: &a [*a]", "a: &a [x,x,x]\nb: &b [*a,*a]\nnames: *b", "names: !!python/name:os.system",
         "names: {? [a] : b}", "names: [yes, no, 1, ~]", "names: [" + "[" * 3000, "names: |\n  a\n  b", "names: []",
         "%YAML 9.9\n---\nnames: [a]", "<<: {names: [a]}", "names: 2020-01-01", "names: [a]\n---\nnames: [b]",
         "names: [nut, bolt]\ntrain: /etc\nval: ../../.."]
    )  # fmt: skip
    inputs = st.one_of(
        broken(whole.encode()),
        changed_json(document).map(
            lambda value: Broken("changed values", as_text(value).encode("utf-8", "surrogatepass"))
        ),
        odd.map(lambda text: Broken("odd YAML", text.encode())),
    )
    read = in_folder("data.yaml", yolo.read, beside={"a.txt": "1 0.5 0.5 0.5 0.5"})
    return Target(inputs, read, ".yaml", (ValueError, OSError), annotations_memory)


def labelme_file() -> Target:
    """A file of labelme's, beside its picture."""
    shapes = [
        {"label": label, "points": points, "group_id": group, "shape_type": kind, "flags": {}, "difficult": False}
        for label, kind, points, group in (
            ("nut", "rectangle", [[5, 6], [15.5, 18]], 1), ("bolt", "polygon", [[5, 10], [15, 6], [12, 18]], None),
            ("nut", "circle", [[20, 15], [23, 19]], 1), ("nut", "point", [[1, 2]], None),
        )
    ]  # fmt: skip
    whole = {"version": "5.0", "flags": {}, "shapes": shapes, "imagePath": "a.png", "imageData": "QUJD",
             "imageHeight": 30, "imageWidth": 40}  # fmt: skip
    inputs = st.one_of(
        broken(json.dumps(whole).encode()),
        broken(json.dumps(whole).encode("utf-16")),
        *[changed_json(whole).map(lambda value: Broken("changed values", as_text(value).encode())) for _ in range(3)],
    )
    return Target(inputs, in_folder("a.json", labelme.read), ".json", (ValueError, OSError), annotations_memory)


def cvat_file() -> Target:
    """annotations.xml of CVAT."""
    shapes = (
        '<box label="nut" xtl="5" ytl="6" xbr="15" ybr="18" rotation="20"/>'
        '<polygon label="bolt" points="5,10;15,6;12,18"/><ellipse label="nut" cx="20" cy="15" rx="8" ry="4"/>'
        '<mask label="nut" left="5" top="6" width="10" height="12"/><points label="nut" points="1,2"/>'
    )
    whole = (
        "<annotations><version>1.1</version><meta><task><labels><label><name>nut</name></label><label>"
        '<name>bolt</name></label></labels></task></meta><image id="0" name="a.png" width="40" height="30">'
        f"{shapes}</image></annotations>"
    )
    attributes = re.findall('"([^"]*)"', whole)
    inputs = st.one_of(
        broken(whole.encode()),
        broken(whole.encode("utf-16")),
        changed_xml(whole).map(lambda content: Broken("changed elements", content)),
        st.builds(
            lambda old, new: Broken(
                "changed attributes", whole.replace(f'"{old}"', f'"{new}"').encode("utf-8", "replace")
            ),
            st.sampled_from(attributes), TEXTS,
        ),
    )  # fmt: skip
    return Target(inputs, in_folder("annotations.xml", cvat.read), ".xml", (ValueError, OSError), annotations_memory)


def imagefolder_file() -> Target:
    """metadata.jsonl of an imagefolder."""
    rows = [
        {"file_name": f"{name}.png", "width": 40, "height": 30,
         "objects": {"bbox": [[5, 6, 10, 12.5], [1, 2, 3, 4]], "categories": ["nut", "bolt"], "iscrowd": [0, 1]}}
        for name in "ab"
    ]  # fmt: skip
    whole = "\n".join(map(json.dumps, rows))
    inputs = st.one_of(
        broken(whole.encode()),
        *[
            changed_json(rows[0]).map(
                lambda value: Broken("changed values", "\n".join([as_text(value), json.dumps(rows[1])]).encode())
            )
            for _ in range(3)
        ],
    )
    read = in_folder("metadata.jsonl", imagefolder.read)
    return Target(inputs, read, ".jsonl", (ValueError, OSError), annotations_memory)


def table_file() -> Target:
    """Boxes in a CSV file."""
    rows = [
        ["path", "x0", "y0", "x1", "y1", "class"],
        ["a.png", "5", "6", "15", "18.5", "nut"],
        ["b.png", "", "", "", "", ""],
        ["b.png", "1", "2", "30", "20", "bolt"],
    ]
    whole = "\n".join(",".join(row) for row in rows)
    inputs = st.one_of(
        broken(whole.encode()), broken(whole.encode("utf-16")), lines(rows, ","), lines(rows[1:], ";"),
        lines([[*row, flag] for row, flag in zip(rows, ("iscrowd", "0", "", "1"), strict=True)], ","),
    )  # fmt: skip
    return Target(inputs, in_folder("boxes.csv", tables.read), ".csv", (ValueError, OSError), annotations_memory)


LABELS: dict[str, Callable[[], Target]] = {
    "YOLO labels": yolo_labels,
    "YOLO settings": yolo_settings,
    "labelme annotations": labelme_file,
    "CVAT annotations": cvat_file,
    "imagefolder annotations": imagefolder_file,
    "CSV annotations": table_file,
}
