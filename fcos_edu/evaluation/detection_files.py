"""Files of detections: COCO's result format, and the document that ``fcos-edu detect`` writes.

Taught in the chapter *How good is it*. Checked against: files that are the truth itself, under other numbers and other
folders, and a slow search for the names that belong together.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..text import read_bytes
from .coco_ap import EvaluationError

Parts = tuple[str, ...]
_WRITTEN = ": fcos-edu detect --format coco writes what is read here"


def read_detections(path: str | Path, truth: dict[str, Any]) -> list[dict[str, Any]]:
    """COCO-format results from a file, such as the command ``detect`` writes.

    Args:
        path: a list of results, or the document of ``detect``, whose own numbers are translated by the names of its
            files (:func:`matching_names`) and classes (which must be equal).
        truth: the ground truth that they are to be compared with.

    Raises:
        FileNotFoundError: there is no such file.
        EvaluationError: not JSON, not a list of detections with boxes and scores, a number or a class that occurs
            twice, or an image or class that the ground truth does not have, or has more than one of.
    """
    path = Path(path)
    try:
        results = json.loads(read_bytes(path))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no file of detections {path}") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        if path.suffix.lower() in (".csv", ".txt"):
            raise EvaluationError(f"{path} is no JSON{_WRITTEN}") from error
        raise EvaluationError(f"{path} is not JSON: {error}") from error
    except ValueError as error:  # a number of thousands of digits, or no regular file
        raise EvaluationError(f"{path} cannot be read: {error}") from error
    own = results if isinstance(results, dict) else {}  # the file of `detect`, with numbers of its own
    results = own.get("annotations") if own else results
    if not isinstance(results, list):
        plain = isinstance(own.get("images"), list) or isinstance(own.get("frames"), list)
        hint = _WRITTEN if plain else ""
        raise EvaluationError(f"{path} holds no list of detections{hint}")
    for i, entry in enumerate(results):
        if fault := _fault(entry):
            raise EvaluationError(f"{path}: detection {i} {fault}")
    if "images" in own:
        names = _names(path, own, "images", "file_name")
        wanted = {entry["id"]: str(entry["file_name"]) for entry in truth["images"]}
        found = matching_names({n: names[n] for n in _used(path, results, "image_id", names)}, wanted, f"{path}: ")
        for entry in results:
            entry["image_id"] = found[entry["image_id"]]
    if "categories" in own:
        names = _names(path, own, "categories", "name")
        _refuse_twice(path, names.values(), "its categories", "the name")
        classes = [str(entry["name"]) for entry in truth["categories"]]
        _refuse_twice(path, classes, "the categories of the data set", "the name")
        ids = {str(entry["name"]): entry["id"] for entry in truth["categories"]}
        _used(path, results, "category_id", names)
        for entry in results:
            name = names[entry["category_id"]]
            if name not in ids:
                raise EvaluationError(f"{path}: {name!r} is not among the classes of the data set, {', '.join(ids)}")
            entry["category_id"] = ids[name]
    return results


def matching_names(names: Mapping[Any, str], wanted: Mapping[Any, str], where: str = "") -> dict[Any, Any]:
    """Which of the wanted files each file is: the one whose path has the longest end in common with its own.

    Folders in front may differ, because the pictures may have been moved, or named from another folder; the file's own
    name may not. Backslashes separate folders too. Of two that have as long an end in common, the one whose whole path
    it is counts.

    Args:
        names: paths by number, such as those that ``detect`` has seen.
        wanted: paths by number, such as those of an annotation file.
        where: what an error begins with.

    Returns:
        For each number of ``names`` one of ``wanted``; no two have the same.

    Raises:
        EvaluationError: a name that belongs to no wanted one, or to two; two that belong to one.
    """
    by_name: dict[str, list[tuple[Any, Parts]]] = defaultdict(list)
    for number, name in wanted.items():
        parts = _parts(name)
        by_name[parts[-1] if parts else ""].append((number, parts))
    found: dict[Any, Any] = {}
    taken: dict[Any, str] = {}
    for number, name in names.items():
        parts = _parts(name)
        near = by_name.get(parts[-1], []) if parts else []
        if not near:
            raise EvaluationError(f"{where}{name!r} is not among the images of the data set")
        lengths = [(length := _common(parts, other), length == len(other)) for _, other in near]
        best = [one for (one, _), length in zip(near, lengths, strict=True) if length == max(lengths)]
        if len(best) > 1:
            some = " and ".join(repr(wanted[one]) for one in best[:2])
            raise EvaluationError(
                f"{where}{name!r} may be {some} of the data set ({len(best)} images fit); name the images with the "
                "folders that tell them apart, as the annotations do"
            )
        if best[0] in taken:
            raise EvaluationError(
                f"{where}{taken[best[0]]!r} and {name!r} would both be {wanted[best[0]]!r} of the data set; take out "
                "the one that is not, or name the images as the annotations do"
            )
        found[number] = best[0]
        taken[best[0]] = name
    return found


def _parts(name: str) -> Parts:
    """The parts of a path, in one spelling of letters with accents: file systems have two."""
    parts = unicodedata.normalize("NFC", name).replace("\\", "/").split("/")
    return tuple(part for part in parts if part not in ("", "."))


def _common(one: Parts, other: Parts) -> int:
    """How many parts at the end of two paths are equal."""
    count = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right:
            break
        count += 1
    return count


def _fault(entry: Any) -> str:
    """What is wrong with a detection; empty if nothing is."""
    for key in ("image_id", "category_id", "bbox", "score"):
        if not isinstance(entry, dict) or key not in entry:
            return f"lacks {key!r}"
    for key in ("image_id", "category_id"):
        if not _is_id(entry[key]):
            return f"has {key} {entry[key]!r}; it must be a whole number"
    box, score = entry["bbox"], entry["score"]
    if not (isinstance(box, list) and len(box) == 4 and all(_is_number(side) for side in box)):
        return f"has bbox {box!r}; it must be [x, y, width, height]"
    if min(box[2:]) < 0:
        return f"has bbox {box!r}; width and height must not be below 0"
    if not _is_number(score):
        return f"has score {score!r}; it must be a number"
    return ""


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_number(value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 2**63
    return isinstance(value, float) and math.isfinite(value)


def _names(path: Path, own: dict[str, Any], part: str, key: str) -> dict[int, str]:
    """Name of each number of a list in the file of ``detect``."""
    entries = own[part]
    if not isinstance(entries, list):
        raise EvaluationError(f"{path}: {part} is {type(entries).__name__}; it must be a list")
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict) or not _is_id(entry.get("id")) or not isinstance(entry.get(key), str):
            raise EvaluationError(f"{path}: entry {i} of {part} must have a whole number 'id' and a text {key!r}")
    _refuse_twice(path, [entry["id"] for entry in entries], f"its {part}", "id")
    return {entry["id"]: entry[key] for entry in entries}


def _used(path: Path, results: list[dict[str, Any]], key: str, names: Mapping[int, str]) -> list[int]:
    """The numbers that detections use, each of which must have a name."""
    used = dict.fromkeys(entry[key] for entry in results)
    for number in used:
        if number not in names:
            raise EvaluationError(f"{path}: detections have {key} {number}, which the file itself does not list")
    return list(used)


def _refuse_twice(path: Path, values: Iterable[Any], of: str, what: str) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            raise EvaluationError(f"{path}: {count} of {of} have {what} {value!r}; each must have its own")


__all__ = ["matching_names", "read_detections"]
