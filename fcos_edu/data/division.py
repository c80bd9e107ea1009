"""`divide_folder`: a folder without splits into train, val and test, by lists alone (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against: every picture in one list, groups and equal pictures in one
split, shares of images and of each class on random data sets, and what was there before.

Stratified as Sechidis, Tsoumakas and Vlahavas do it (On the stratification of multi-label data, 2011): the class with
the fewest boxes left is shared out first, each picture to the split that still lacks most of it. What belongs together
is shared out as one: pictures of the same content, and those that a pattern says are of one film, patient or place.
Were they parted, a test would ask for what has been trained on.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..atomic import named_error
from ..text import counted, printable, read_bytes, shortened
from .annotations import Annotations
from .folders import LISTS, SPLITS
from .formats import read_path, splits_of
from .sources import located, named


@dataclass(frozen=True)
class Division:
    """What was written; `str()` of it is what `fcos-edu data split` prints."""

    folder: Path  # of the lists
    classes: tuple[str, ...]
    images: dict[str, int]  # of each split
    boxes: dict[str, list[int]]  # of each class in each split
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        wide = max([len("images"), *(len(printable(name)) for name in self.classes)])
        head = f"{'':<{wide}}" + "".join(f"{split:>9}" for split in self.images)
        rows = [f"{'images':<{wide}}" + "".join(f"{count:>9}" for count in self.images.values())]
        for label, name in enumerate(self.classes):
            rows.append(f"{printable(name):<{wide}}" + "".join(f"{counts[label]:>9}" for counts in self.boxes.values()))
        files = ", ".join(f"{split}.txt" for split in self.images)
        return "\n".join([head, *rows, *self.notes, f"{printable(self.folder)}: {files}"])


def divide(
    counts: NDArray[np.int64], shares: Sequence[float], *, groups: Sequence[Hashable] | None = None, seed: int = 0
) -> NDArray[np.int64]:
    """Which split each of N images goes to, ``(N,)``.

    Args:
        counts: ``(N, C)`` boxes of each class in each image.
        shares: of the splits, with a sum of 1.
        groups: N; images of one group go to one split. By default each image is a group of its own.
        seed: of the order in which equals are taken.

    Raises:
        ValueError: fewer groups than splits.
    """
    keys: Sequence[Hashable] = range(len(counts)) if groups is None else groups
    number: dict[Hashable, int] = {}
    of_group = np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.int64)
    if len(number) < len(shares):
        raise ValueError(
            f"{counted(len(number), 'groups')} of pictures cannot be divided into {counted(len(shares), 'splits')}"
        )
    # What is shared out: boxes of each class, and the pictures themselves in a last column.
    amounts = np.zeros((len(number), counts.shape[1] + 1))
    np.add.at(amounts, of_group, np.concatenate([counts, np.ones((len(counts), 1))], axis=1))
    lacking = np.array(shares)[:, None] * amounts.sum(axis=0)
    chosen = np.full(len(number), -1)
    # Large groups first, as they fit in fewest places; equals in an order that the seed decides.
    order = np.lexsort((np.random.RandomState(seed).permutation(len(number)), -amounts[:, -1]))
    left = amounts[:, :-1].sum(axis=0)
    while (left > 0).any():
        rarest = int(np.where(left > 0, left, np.inf).argmin())
        for group in order[(amounts[order, rarest] > 0) & (chosen[order] < 0)]:
            _give(group, rarest, chosen, amounts, lacking)
            left -= amounts[group, :-1]
        left[rarest] = 0
    for group in order[chosen[order] < 0]:  # no box in them
        _give(group, -1, chosen, amounts, lacking)
    _fill_empty(chosen, amounts, len(shares))
    return chosen[of_group]


def _give(
    group: int, what: int, chosen: NDArray[np.int64], amounts: NDArray[np.float64], lacking: NDArray[np.float64]
) -> None:
    """A group to the split that lacks most of a class; of equals to the one that lacks most pictures."""
    split = max(range(len(lacking)), key=lambda s: (round(lacking[s, what], 9), round(lacking[s, -1], 9)))
    chosen[group] = split
    lacking[split] -= amounts[group]


def _fill_empty(chosen: NDArray[np.int64], amounts: NDArray[np.float64], splits: int) -> None:
    """No split without a picture: the smallest group of the largest split goes there."""
    for split in range(splits):
        if not (chosen == split).any():
            sizes = [
                amounts[chosen == s, -1].sum() if (chosen == s).sum() > 1 else -1.0 for s in range(splits)
            ]  # fmt: skip
            giving = np.flatnonzero(chosen == int(np.argmax(sizes)))
            chosen[giving[amounts[giving, -1].argmin()]] = split


def divide_folder(
    path: str | Path, shares: Sequence[float] = (0.8, 0.1, 0.1), *, group: str | None = None, seed: int = 0
) -> Division:
    """Write lists of the pictures of train, val and test into the folder's ``splits/``; moves nothing.

    Args:
        path: a folder in any format, without splits of its own or with one alone.
        shares: of train and val, or of train, val and test.
        group: a regular expression; pictures in whose name it matches the same text (or, with a pair of parentheses,
            has the same text in them) stay together. A name that it does not match is a group of its own.
        seed: of the draw.

    Raises:
        FileExistsError: the folder has such lists.
        FileNotFoundError: no such folder, or no pictures.
        ValueError: shares that do not add up to 1; a folder with splits of its own; a pattern that is none, or
            matches no name.
    """
    place = located(path)
    folder = named(place)[1]
    shares = _checked(shares)
    if not folder.is_dir():
        raise FileNotFoundError(f"{printable(folder)} is no folder of labelled pictures")
    if (folder / LISTS).exists():
        raise FileExistsError(
            f"{printable(folder / LISTS)} is there and in use, and is not overwritten; remove it to divide anew"
        )
    own = splits_of(place)
    if len(own) > 1:
        raise ValueError(f"{printable(folder)} is divided already, into {', '.join(own)}")
    annotations = read_path(place, own[0] if own else None)
    names = annotations.file_names
    if broken := [name for name in names if "\n" in name or "\r" in name or name != name.strip()]:
        raise ValueError(f"the name {shortened(broken[0])} cannot stand in a list: rename the picture")
    groups, notes = _groups(annotations, group)
    counts = np.zeros((annotations.images, len(annotations.classes)), dtype=np.int64)
    np.add.at(counts, (annotations.image_index, annotations.labels), ~annotations.ignored)
    chosen = divide(counts, shares, groups=groups, seed=seed)
    splits = list(SPLITS)[: len(shares)]
    lists = {split: sorted({names[i] for i in np.flatnonzero(chosen == k)}) for k, split in enumerate(splits)}
    boxes = {split: counts[chosen == k].sum(axis=0).tolist() for k, split in enumerate(splits)}
    for label, name in enumerate(annotations.classes):
        if sum(boxes[split][label] for split in splits) and (
            without := [split for split in splits if not boxes[split][label]]
        ):
            few = "there are too few" + ", or in too few groups" * (group is not None)
            notes.append(f"no box of {printable(name)} in {' and '.join(without)}: {few}")
    _write(folder / LISTS, lists)
    return Division(folder / LISTS, annotations.classes, {s: len(n) for s, n in lists.items()}, boxes, tuple(notes))


def _checked(shares: Sequence[float]) -> list[float]:
    if len(shares) not in (2, 3) or abs(sum(shares) - 1) > 1e-3 or min(shares) <= 0:
        told = " ".join(f"{share:g}" for share in shares)
        raise ValueError(f"shares are {told}; give two or three above 0 with a sum of 1, such as 0.8 0.1 0.1")
    return [share / sum(shares) for share in shares]


def _groups(annotations: Annotations, pattern: str | None) -> tuple[list[Hashable], list[str]]:
    """What belongs to what: by the pattern, by content, and one picture under several ids; and what to say of it."""
    parent = list(range(annotations.images))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    same: dict[Hashable, list[int]] = defaultdict(list)
    notes = []
    for i, name in enumerate(annotations.file_names):
        same["name", name].append(i)
    if pattern is not None:
        matched = _matched(annotations.file_names, pattern)
        for i, text in matched.items():
            same["pattern", text].append(i)
        alone = annotations.images - len(matched)
        notes.append(
            f"{counted(len(set(matched.values())), 'groups')} by {shortened(pattern)}"
            + (f", {counted(alone, 'pictures')} alone" * bool(alone))
        )
    copies = [indices for indices in equal_pictures(annotations) if len(indices) > 1]
    for k, indices in enumerate(copies):
        same["content", k] = indices
    if copies:
        notes.append(f"{sum(map(len, copies))} pictures have the content of another, and stay with it")
    for indices in same.values():
        for i in indices[1:]:
            parent[root(i)] = root(indices[0])
    return [root(i) for i in range(annotations.images)], notes


def _matched(names: Sequence[str], pattern: str) -> dict[int, str]:
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"--group {shortened(pattern)} is no regular expression ({error})") from None
    found = {i: match for i, name in enumerate(names) if (match := compiled.search(name))}
    if not found:
        raise ValueError(f"--group {shortened(pattern)} matches no picture; the first is called {shortened(names[0])}")
    return {i: match[1] or "" if compiled.groups else match[0] for i, match in found.items()}


def equal_pictures(annotations: Annotations) -> list[list[int]]:
    """Images whose files have the same bytes, as groups of their positions; those that cannot be read are alone."""
    by_size: dict[int, list[int]] = defaultdict(list)
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for i in range(annotations.images):
        try:
            by_size[annotations.path(i).stat().st_size].append(i)
        except OSError:
            groups["unread", i].append(i)
    for size, indices in by_size.items():
        for i in indices:
            key: Hashable = (size, i)
            if len(indices) > 1:
                try:
                    key = hashlib.sha256(read_bytes(annotations.path(i))).hexdigest()
                except (OSError, ValueError):  # a pipe, too
                    key = ("unread", i)
            groups[key].append(i)
    return sorted(groups.values())


def _write(folder: Path, lists: dict[str, list[str]]) -> None:
    """All lists, or none."""
    made = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.part"
    with named_error(folder):
        made.mkdir()
    try:
        for split, names in lists.items():
            (made / f"{split}.txt").write_text("".join(f"{name}\n" for name in names), "utf-8", newline="\n")
        os.rename(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


__all__ = ["Division", "divide", "divide_folder", "equal_pictures"]
