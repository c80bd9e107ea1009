"""A page on how good a detector is, and where it fails: what ``fcos-edu evaluate --report report.html`` writes.

Taught in the chapter *Your own boxes*. Checked against: a browser without a network, light and dark, wide and narrow,
and names that are scripts.

One file: no address, no script, pictures inside. Names of files and classes are whatever strangers typed. Each goes
through :func:`text`, and the page itself forbids a browser to run or fetch anything (its content security policy).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

from ._version import __version__
from .drawing import draw_labels
from .evaluation.errors import KINDS, Judged
from .evaluation.findings import ClassFindings, Findings, WorstImage
from .evaluation.reliability import Interval
from .figures.style import FEW_BOXES
from .fonts import in_pictures
from .text import counted, printable

MARK = '<meta name="generator" content="fcos-edu evaluate">'  # by which a report of ours is known
SIDE = 480  # pixels of a picture in the page, at most
RIGHT, FALSE, MISSED = "#0072B2", "#D55E00", "#000000"
_LABELS = 25  # words on a picture, at most: more of them hide it
_WIDE = 20  # classes up to which a confusion matrix can be read

# What each kind means, for a reader who has not seen the chapter.
MEANING = {
    "class": "it fits a box of another class",
    "location": "the right class, but it does not fit the box well enough",
    "both": "another class, and it does not fit either",
    "duplicate": "the box had been found already, by a higher score",
    "background": "there is nothing",
    "missed": "a box that nothing would find, even if the others were mended",
}


def page(
    found: Findings,
    *,
    what: str,
    data: str,
    command: str,
    picture: Callable[[WorstImage], Tensor | None] = lambda _: None,
) -> str:
    """The whole document.

    Args:
        found: what is reported.
        what: the detector, or the file of detections.
        data: the data set and its split.
        command: that gives the same figures.
        picture: of one of the worst images: ``(3, H, W)`` uint8, or None where it cannot be had.
    """
    names = [one.name for one in found.classes]
    sections = {
        "In short": _short(found),
        "Class by class": _by_class(found.classes),
        "Which errors cost most": _errors(found),
        "Which class is taken for which": _confusion(found, names),
        "What a score is worth": _reliability(found),
        "The worst images": _worst(found, picture),
        "How this was measured": _measured(found, command),
    }
    body = "".join(f"<section><h2>{text(title)}</h2>{inside}</section>" for title, inside in sections.items())
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark">{MARK}<title>{text(what)} on {text(data)}</title><style>{STYLE}</style></head><body>'
        f"<main><header><p>Report of fcos-edu evaluate</p><h1>{text(what)}</h1><p>on {text(data)}</p></header>"
        f"{body}</main></body></html>\n"
    )


def is_report(path: str | Path) -> bool:
    """Whether a file is a report of ours, which may be written again."""
    try:
        with open(path, "rb") as file:
            return MARK.encode() in file.read(2000)
    except OSError:
        return False


def text(value: object) -> str:
    """A text of anybody's as it must stand in HTML: between tags and in attributes, without control characters."""
    return escape(printable(value), quote=True)


# ---------------------------------------------------------------------- pieces
def percent(value: float | None) -> str:
    """A share as papers print it; a dash for none."""
    return "–" if value is None else f"{100 * value:.1f}"


def _range(interval: Interval | None) -> str:
    return "–" if interval is None else f"{percent(interval.low)} to {percent(interval.high)}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, words: str, kind: str = "") -> str:
    """A table; its cells are HTML. On a narrow screen it scrolls in a frame of its own, which the keyboard reaches."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows
    )
    return (
        f'<div class="frame" tabindex="0" role="region" aria-label="{text(words)}"><table class="{kind}">'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _bar(share: float | None, most: float = 1.0) -> str:
    """A value in percent with its bar behind it."""
    width = 0.0 if share is None or most <= 0 else 100 * max(0.0, min(1.0, share / most))
    return f'<span class="bar" style="--width:{width:.1f}%">{percent(share)}</span>'


# ---------------------------------------------------------------------- sections
def _short(found: Findings) -> str:
    numbers = [
        ("AP", percent(found.metrics["AP"]), f"95 %: {_range(found.interval)}" if found.interval else ""),
        ("AP50", percent(found.metrics["AP50"]), "at IoU 0.50"),
        ("AP75", percent(found.metrics["AP75"]), "at IoU 0.75"),
        ("AR100", percent(found.metrics["AR100"]), "boxes found at best"),
        ("images", f"{found.images:,}", ""),
        ("boxes", f"{found.boxes:,}", counted(f"{found.detections:,}", "detections")),
    ]
    cards = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd><dd>{text(note)}</dd></div>" for name, value, note in numbers
    )
    rest = [(name, percent(value)) for name, value in found.metrics.items()]
    table = _table(
        [text(name) for name, _ in rest], [[text(value) for _, value in rest]], words="COCO's twelve numbers"
    )
    listed = "".join(f"<li>{text(sentence)}</li>" for sentence in sentences(found))
    small = "S, M, L: boxes with an area below 32², up to 96², and above, in pixels. All in percent."
    return (
        f'<dl class="cards">{cards}</dl><ul>{listed}</ul><details><summary>COCO\'s twelve numbers</summary>{table}'
        f"<p>{small}</p></details>"
    )


def sentences(found: Findings) -> list[str]:
    """What the figures say, each in a sentence, and what they cannot say."""
    images, boxes = counted(f"{found.images:,}", "images"), counted(f"{found.boxes:,}", "boxes")
    told = []
    if found.interval is None:
        told.append(f"AP is measured on {images} with {boxes}: too few to say how much of it is chance.")
    elif found.interval.low == found.interval.high:
        told.append(f"AP is measured on {images} with {boxes}; it is the same, whichever of them are drawn.")
    else:
        half = 50 * (found.interval.high - found.interval.low)
        told.append(
            f"AP is measured on {images} with {boxes}. Other images of the same kind would give another one: of 100 "
            f"such sets, drawn from these, 95 lie between {_range(found.interval).replace(' to ', ' and ')}. Another "
            f"detector whose AP is less than {half:.1f} away may be as good; compare both on the same images."
        )
    few = [one for one in found.classes if 0 < one.boxes < FEW_BOXES]
    if few:
        some = ", ".join(f"{printable(one.name)} ({one.boxes})" for one in few[:5])
        more = f" and {len(few) - 5} more" if len(few) > 5 else ""
        told.append(f"Classes with fewer than {FEW_BOXES} boxes, whose AP says little: {some}{more}.")
    none = [printable(one.name) for one in found.classes if not one.boxes]
    if none:
        more = f" and {len(none) - 5} more" if len(none) > 5 else ""
        told.append(f"Classes without a box here, of which nothing can be said: {', '.join(none[:5])}{more}.")
    worst = max(KINDS, key=lambda kind: found.errors.gain[kind])
    if found.errors.gain[worst] > 0:
        told.append(
            f"Most would be gained by mending errors of the kind “{worst}”: "
            f"AP50 would rise by {percent(found.errors.gain[worst])}, to "
            f"{percent(found.errors.ap + found.errors.gain[worst])}."
        )
    elif not sum(found.errors.count.values()):
        told.append("No error was found at all.")
    if found.best:
        told.append(
            f"From a score of {found.best.score:.2f} on, precision ({percent(found.best.precision)} %) and recall "
            f"({percent(found.best.recall)} %) are best together, on these images."
        )
    return told


def _by_class(classes: Sequence[ClassFindings]) -> str:
    note = ' <abbr title="few boxes: this says little">few</abbr>'
    rows = [
        [
            text(one.name), f"{one.boxes:,}{note if few else ''}",
            f"{one.images:,}", _bar(one.ap), _range(one.interval), percent(one.ap50), percent(one.ap75),
            percent(one.recall),
        ]
        for one in classes
        for few in [0 < one.boxes < FEW_BOXES]
    ]  # fmt: skip
    head = ["class", "boxes", "images", "AP", "95 % of AP", "AP50", "AP75", "AR100"]
    return _table(head, rows, words="AP by class") + (
        "<p>In percent. “95 % of AP” is how far it moves when the images are drawn anew; a difference between two "
        "classes that is smaller may be chance.</p>"
    )


def _errors(found: Findings) -> str:
    most = max([*found.errors.gain.values(), 0.01])
    rows = [
        [kind, f"{found.errors.count[kind]:,}", _bar(found.errors.gain[kind], most), text(MEANING[kind])]
        for kind in sorted(KINDS, key=lambda kind: -found.errors.gain[kind])
    ]
    head = ["kind", "how many", "AP50 gained", "what it is"]
    return _table(head, rows, words="kinds of errors", kind="words") + (
        f"<p>“AP50 gained” is what mending all errors of the kind, and no other, would add to an AP50 of "
        f"{percent(found.errors.ap)}; the gains do not add up. Kinds of Bolya et al. (TIDE, 2020): a box fits from an "
        "IoU of 0.5 on, and below 0.1 a detection lies on background. Detections of low scores are among them: there "
        "are many, and they cost little.</p>"
    )


def _confusion(found: Findings, names: Sequence[str]) -> str:
    counts, labels = found.confusion, [*names, "background"]
    note = (
        f"<p>Detections of a score of at least {found.score:g}, each with the box that it overlaps most, from an IoU "
        "of 0.5 on, whatever its class. “Background” as a row: there was no such box. As a column: nothing was found "
        "there.</p>"
    )
    if not counts.sum():
        return f"<p>There is neither a box nor a detection of a score of at least {found.score:g}.</p>"
    if len(names) > _WIDE:  # nobody reads 80 x 80 numbers: those that are wrong, most first
        wrong = [
            (int(counts[i, j]), i, j) for i in range(len(labels)) for j in range(len(labels)) if i != j and counts[i, j]
        ]
        rows = [[text(labels[i]), text(labels[j]), f"{count:,}"] for count, i, j in sorted(wrong, reverse=True)[:30]]
        told = "" if len(wrong) <= 30 else f"<p>The 30 most frequent of {len(wrong)}; the JSON has all.</p>"
        head = ["true class", "taken for", "how often"]
        return note + _table(head, rows, words="most frequent confusions") + told
    rows = []
    for i, name in enumerate(labels):
        row, total = counts[i], max(1, int(counts[i].sum()))
        cells = [
            f'<span class="cell{" same" if i == j else ""}" style="--share:{100 * row[j] / total:.0f}%">{int(row[j]):,}'
            "</span>"
            if i < len(names) or j < len(names)
            else ""
            for j in range(len(labels))
        ]
        rows.append([text(name), *cells])
    head = ["true ↓ found →", *(text(name) for name in labels)]
    return (
        note
        + _table(head, rows, words="confusion matrix", kind="matrix")
        + ("<p>The stronger a cell is coloured, the larger its share of the row.</p>")
    )


def _reliability(found: Findings) -> str:
    seen = [one for one in found.calibration if one.score is not None and one.precision is not None]
    if not seen or found.calibration_error is None:
        return "<p>There are no detections.</p>"
    over = sum(one.detections * ((one.score or 0) - (one.precision or 0)) for one in seen) / sum(
        one.detections for one in seen
    )
    lean = "lower than the share that is right" if over < 0 else "higher than the share that is right"
    lean = (
        "as often too high as too low"
        if abs(over) < 0.01
        else f"{lean}, by {counted(f'{100 * abs(over):.0f}', 'points')} on average"
    )
    rows = [
        [f"{one.low:.1f} to {one.high:.1f}", f"{one.detections:,}", percent(one.score), _bar(one.precision)]
        for one in found.calibration
    ]
    table = _table(["scores", "detections", "mean score", "right, %"], rows, words="scores and precision")
    return (
        f'<div class="side"><figure>{diagram(found)}<figcaption>Above the line detections are right more often than '
        "their score says, below it less often. Large dots are many detections.</figcaption></figure><div>"
        f"<p>A detection is right if it fits a free box of its class (IoU 0.5). Scores are {lean}; their mean distance "
        f"(expected calibration error) is {100 * found.calibration_error:.1f} points. A score is no probability: it "
        "ranks detections, and a threshold is best chosen by what it lets through. Dots of few detections move by "
        f"chance.</p>{table}</div></div>"
    )


def diagram(found: Findings) -> str:
    """Scores against precision as SVG: a dot for each bin, its area by the number of detections."""
    seen = [(one, one.score, one.precision) for one in found.calibration]
    points = [(one, s, p) for one, s, p in seen if s is not None and p is not None]
    most = max((one.detections for one, *_ in points), default=1)
    left, size = 48, 220

    def at(score: float, precision: float) -> tuple[float, float]:
        return left + size * score, 10 + size * (1 - precision)

    ticks = "".join(
        f'<text x="{at(v, 0)[0]:.1f}" y="{size + 26}" text-anchor="middle">{v:g}</text>'
        f'<text x="{left - 6}" y="{at(0, v)[1] + 4:.1f}" text-anchor="end">{v:g}</text>'
        for v in (0.0, 0.5, 1.0)
    )
    dots = "".join(
        f'<circle cx="{at(s, p)[0]:.1f}" cy="{at(s, p)[1]:.1f}" r="{2.5 + 8 * (one.detections / most) ** 0.5:.1f}"/>'
        for one, s, p in points
    )
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(s, p) for _, s, p in points))
    told = "; ".join(f"scores around {s:.2f}: {100 * p:.0f} % of {one.detections} right" for one, s, p in points)
    (x0, y0), (x1, y1) = at(0, 0), at(1, 1)
    return (
        f'<svg viewBox="0 0 {left + size + 14} {size + 48}" role="img" aria-label="Scores and precision: {text(told)}">'
        f'<rect class="paper" x="{x0}" y="{y1}" width="{size}" height="{size}"/>'
        f'<line class="even" x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}"/><polyline points="{path}"/>{dots}{ticks}'
        f'<text x="{left + size / 2}" y="{size + 43}" text-anchor="middle">mean score</text>'
        f'<text x="12" y="{10 + size / 2}" text-anchor="middle" transform="rotate(-90 12 {10 + size / 2})">precision'
        "</text></svg>"
    )


def _worst(found: Findings, picture: Callable[[WorstImage], Tensor | None]) -> str:
    if not found.worst:
        return f"<p>No image has an error at a score of at least {found.score:g}.</p>"
    names = {one.category_id: one.name for one in found.classes}
    cards = []
    for image in found.worst:
        pixels = picture(image)
        told = _counts(image)
        if pixels is None:
            shown = '<p class="none">The picture was not found.</p>'
        else:
            content = base64.b64encode(thumbnail(pixels, image.judged, names)).decode()
            words = f"{printable(image.file_name)}, with boxes drawn: {told}"
            shown = f'<img src="data:image/jpeg;base64,{content}" alt="{text(words)}">'
        cards.append(f"<figure>{shown}<figcaption><b>{text(image.file_name)}</b><br>{text(told)}</figcaption></figure>")
    legend = (
        f'<p>Those with most errors at a score of at least {found.score:g}. <span class="key right">right</span> '
        '<span class="key false">false, with its kind</span> <span class="key missed">true, and missed</span> '
        '<span class="key truth">true, and found</span> Look whether the annotations are right, too: what nobody has '
        "labelled counts as background.</p>"
    )
    return f'{legend}<div class="pictures">{"".join(cards)}</div>'


def _counts(image: WorstImage) -> str:
    """Such as "3 right, 2 false (1 background, 1 duplicate), 1 missed"."""
    false = ", ".join(f"{count} {kind}" for kind, count in image.false.items())
    number = sum(image.false.values())
    return f"{image.right} right, {number} false{f' ({false})' if false else ''}, {image.missed} missed"


def thumbnail(pixels: Tensor, judged: Judged, names: Mapping[int, str]) -> bytes:
    """A small JPEG of an image: true boxes, what was found, and what is wrong with it.

    Args:
        pixels: ``(3, H, W)`` uint8, whose pixels the boxes are in.
        judged: from :func:`~fcos_edu.evaluation.errors.judge`.
        names: of the classes by COCO's category id.
    """
    picture = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    scale = min(1.0, SIDE / max(picture.size))
    picture = picture.resize([max(1, round(scale * side)) for side in picture.size], Image.Resampling.BOX)  # type: ignore[arg-type]
    pen = ImageDraw.Draw(picture)
    labels: list[tuple[list[float], str, str]] = []
    written = {key: in_pictures(names[key], place) for place, key in enumerate(sorted(names))}

    def corners(box: Mapping[str, Sequence[float]]) -> list[float]:
        x, y, width, height = box["bbox"]
        return [scale * x, scale * y, scale * (x + width), scale * (y + height)]

    for box, taken in zip(judged.boxes, judged.taken, strict=True):
        _outline(pen, corners(box), "white", MISSED, dash=3 if taken else 6, width=1 if taken else 3)
        if not taken:
            labels.append((corners(box), f"missed {written.get(box['category_id'], '')}", MISSED))
    for one, kind in reversed(list(zip(judged.found, judged.kinds, strict=True))):  # the surest on top
        if kind == "ignored":
            continue
        _outline(pen, corners(one), FALSE if kind else RIGHT, "", width=2)
        if kind:
            words = f"{kind}: {written.get(one['category_id'], '')} {one['score']:.2f}"
            labels.append((corners(one), words, FALSE))
    labels = labels[-_LABELS:]
    if labels:
        boxes, words_of, colors = zip(*labels, strict=True)
        draw_labels(picture, boxes, [printable(word)[:40] for word in words_of], colors)
    content = io.BytesIO()
    picture.save(content, "jpeg", quality=80, optimize=True)
    return content.getvalue()


def _outline(
    pen: ImageDraw.ImageDraw, box: Sequence[float], color: str, gaps: str, *, width: int, dash: int = 0
) -> None:
    """A box; with ``dash`` pixels of one colour and of the other by turns, so that it is seen on every ground."""
    x0, y0, x1, y1 = box
    if not dash:
        pen.rectangle((x0, y0, max(x0, x1), max(y0, y1)), outline=color, width=width)
        return
    for (ax, ay), (bx, by) in (((x0, y0), (x1, y0)), ((x1, y0), (x1, y1)), ((x1, y1), (x0, y1)), ((x0, y1), (x0, y0))):
        length = max(abs(bx - ax), abs(by - ay))
        for k in range(int(length / dash) + 1):
            a, b = min(1.0, k * dash / max(length, 1e-9)), min(1.0, (k + 1) * dash / max(length, 1e-9))
            ends = (ax + a * (bx - ax), ay + a * (by - ay), ax + b * (bx - ax), ay + b * (by - ay))
            pen.line(ends, fill=gaps if k % 2 else color, width=width)


def _measured(found: Findings, command: str) -> str:
    return (
        "<p>COCO's AP by pycocotools, with at most 100 detections of an image; intervals by "
        f"{counted(found.resamples, 'draws')} "
        f"of the images with replacement. fcos-edu {text(__version__)}. The same figures as JSON, and more: "
        f"<code>--out figures.json</code>.</p><pre>{text(command)}</pre>"
    )


STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #566070; --line: #d5dae1; --back: #f7f8fa; --paper: #ffffff;
  --fill: #cfe3f1; --accent: #0072b2; --warn: #b34700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaf0; --soft: #a5aebb; --line: #3b4452; --back: #14181e;
  --paper: #1d232c; --fill: #17476a; --accent: #6cc0f2; --warn: #ff9e57; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); line-height: 1.5; font-size: 16px;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 20px 16px 48px; }
header p { margin: 0; color: var(--soft); overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 0 0 10px; font-size: 1.15rem; }
section { margin-top: 18px; padding: 16px; background: var(--paper); border: 1px solid var(--line); border-radius: 10px; }
section > p, figcaption, details p, .side p { color: var(--soft); font-size: .9rem; margin: 10px 0 0; }
ul { margin: 14px 0 10px; padding-left: 1.2em; overflow-wrap: anywhere; } li { margin: 4px 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(135px, 1fr)); gap: 10px; margin: 0; }
.cards div { padding: 10px 12px; border: 1px solid var(--line); border-radius: 8px; }
dt { color: var(--soft); font-size: .85rem; } dd { margin: 0; font-size: .8rem; color: var(--soft); min-height: 1.2em; }
dt + dd { font-size: 1.5rem; font-weight: 650; color: var(--ink); font-variant-numeric: tabular-nums; }
.frame { overflow-x: auto; } .frame:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { color: var(--soft); font-weight: 500; vertical-align: bottom; }
th[scope=row] { text-align: left; font-weight: 600; max-width: 16em; overflow: hidden; text-overflow: ellipsis; }
thead th:first-child { text-align: left; } .words td:last-child { text-align: left; white-space: normal; min-width: 13em; }
.words thead th:last-child { text-align: left; }
.matrix thead th { max-width: 9em; overflow: hidden; text-overflow: ellipsis; }
.bar { display: inline-block; min-width: 90px; padding: 1px 6px; border-radius: 3px;
  background: linear-gradient(to right, var(--fill) var(--width), transparent 0); }
.cell { display: block; padding: 1px 6px; border-radius: 3px;
  background: color-mix(in srgb, var(--warn) calc(var(--share) * .5), transparent); }
.cell.same { background: color-mix(in srgb, var(--accent) calc(var(--share) * .5), transparent); }
abbr { color: var(--warn); font-size: .8rem; text-decoration: none; }
.side { display: grid; grid-template-columns: minmax(0, 320px) minmax(0, 1fr); gap: 20px; align-items: start; }
@media (max-width: 760px) { .side { grid-template-columns: minmax(0, 1fr); } section { padding: 14px 12px; }
  th, td { padding: 5px 6px; } .words td:last-child { white-space: nowrap; } .bar { min-width: 56px; } table { font-size: .82rem; } .cards { grid-template-columns: 1fr 1fr; } }
figure { margin: 0; min-width: 0; } svg { width: 100%; max-width: 340px; height: auto; display: block; }
svg text { fill: var(--soft); font-size: 11px; } svg .paper { fill: none; stroke: var(--line); }
svg .even { stroke: var(--soft); stroke-dasharray: 4 4; } svg polyline { fill: none; stroke: var(--accent); stroke-width: 1.5; }
svg circle { fill: var(--accent); fill-opacity: .75; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 16px; margin-top: 12px; }
.pictures img { width: 100%; height: auto; display: block; border-radius: 6px; }
.pictures figcaption { overflow-wrap: anywhere; } .pictures b { color: var(--ink); }
.none { padding: 28px 12px; border: 1px dashed var(--line); border-radius: 6px; text-align: center; }
.key { display: inline-block; margin: 2px 6px 2px 0; padding: 0 8px; border: 2px solid; border-radius: 4px; color: var(--ink); }
.key.right { border-color: #0072B2; } .key.false { border-color: #D55E00; }
.key.missed { border: 3px dashed var(--ink); } .key.truth { border: 1px dashed var(--ink); }
summary { cursor: pointer; color: var(--accent); } code, pre { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .85rem; }
pre { overflow-x: auto; margin: 10px 0 0; padding: 10px; background: var(--back); border-radius: 6px; }
@media print { section { break-inside: avoid; } body { background: none; } }
"""  # noqa: E501

__all__ = ["MARK", "diagram", "is_report", "page", "percent", "sentences", "text", "thumbnail"]
