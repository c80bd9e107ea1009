"""What the paper prints: Tables 1 to 8 and the figures of its text, typed once.

Tian, Shen, Chen, He: FCOS: Fully Convolutional One-Stage Object Detection, ICCV 2019, arXiv 1904.01355v5. Read by the
commands, the studies, the recipes, the ledger and the chapters, first by *When boxes overlap*. Checked against: the
differences and orders that the paper states.

The unit is the paper's own: **percent**, kept as the text that is printed, because ``98.40`` says more than 98.4.
``percent`` gives the number, ``share`` the fraction in 0..1, which is the unit of everything that the package measures
and of the files in ``fcos_edu/results/``. Counts (images, anchors, samples) are plain integers.

    >>> TABLE_3["GN"]["AP"].percent, TABLE_3["GN"]["AP"].share, TABLE_1["fcos_fpn"]["BPR"].text
    (37.1, 0.371, '98.40')
    >>> TABLE_2["fpn"].shares
    {'all': 0.0714, 'different_classes': 0.0375}

Rows and columns have the names of the same figures in ``fcos_edu/results/``. How the paper trains and infers is not
here: that is what ``FCOSConfig.paper()`` and the defaults of ``TrainConfig`` say.

This module imports nothing of the package, and no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = [
    "AMBIGUOUS_DETECTIONS",
    "ANCHORS",
    "IMAGES",
    "ORACLE",
    "PROPOSAL_SAMPLES",
    "RETINANET_ANCHOR_LOSS",
    "TABLES",
    "TABLE_1",
    "TABLE_2",
    "TABLE_3",
    "TABLE_4",
    "TABLE_5",
    "TABLE_6",
    "TABLE_7",
    "TABLE_8",
    "Printed",
    "Row",
    "Table",
]


@dataclass(frozen=True)
class Printed:
    """One figure of the paper, as it is printed."""

    text: str  # in percent, with the paper's decimals: "98.40"

    @property
    def decimals(self) -> int:
        """How many digits stand behind the point."""
        return len(self.text.partition(".")[2])

    @property
    def percent(self) -> float:
        """The number, in 0..100."""
        return float(self.text)

    @property
    def share(self) -> float:
        """The fraction in 0..1, as the float that is nearest to it."""
        return round(self.percent / 100, self.decimals + 2)

    def __str__(self) -> str:
        return self.text


class Row(Mapping[str, Printed]):
    """One row of a table: its figures by the names of their columns, in the table's order."""

    def __init__(self, name: str, label: str, figures: Mapping[str, Printed]) -> None:
        self.name = name
        self.label = label  # in words
        self._figures = dict(figures)

    def __getitem__(self, column: str) -> Printed:
        """The figure of a column.

        Raises:
            KeyError: there is no such column; those that there are are named.
        """
        if column not in self._figures:
            raise KeyError(f"the row {self.name!r} has no column {column!r}; it has {', '.join(self._figures)}")
        return self._figures[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._figures)

    def __len__(self) -> int:
        return len(self._figures)

    def __repr__(self) -> str:
        return f"Row({self.label!r}: {', '.join(f'{column} {figure}' for column, figure in self.items())})"

    @property
    def texts(self) -> tuple[str, ...]:
        """The figures as printed, in percent."""
        return tuple(figure.text for figure in self.values())

    @property
    def percents(self) -> dict[str, float]:
        """The figures by the names of their columns, in 0..100."""
        return {column: figure.percent for column, figure in self.items()}

    @property
    def shares(self) -> dict[str, float]:
        """The figures by the names of their columns, in 0..1."""
        return {column: figure.share for column, figure in self.items()}


class Table(Mapping[str, Row]):
    """A table of the paper: its rows by their names, in the paper's order.

    Args:
        title: what it compares, and where.
        columns: the names of its figures.
        rows: for each name the row in words, and its figures, separated by spaces.
    """

    def __init__(self, title: str, columns: tuple[str, ...], rows: Mapping[str, tuple[str, str]]) -> None:
        self.title = title
        self.columns = columns
        self._rows = {
            name: Row(name, label, dict(zip(columns, map(Printed, figures.split()), strict=True)))
            for name, (label, figures) in rows.items()
        }

    def __getitem__(self, row: str) -> Row:
        """The row of a name.

        Raises:
            KeyError: there is no such row; those that there are are named.
        """
        if row not in self._rows:
            raise KeyError(f"the table {self.title!r} has no row {row!r}; it has {', '.join(self._rows)}")
        return self._rows[row]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"Table({self.title!r}, {len(self)} rows)"

    @property
    def shares(self) -> dict[str, dict[str, float]]:
        """All rows, in 0..1, as ``fcos_edu/results/`` has them."""
        return {name: row.shares for name, row in self.items()}


# ---- the tables -----------------------------------------------------------------------------------------------

_AP = ("AP", "AP50", "AP75", "APS", "APM", "APL")

TABLE_1 = Table(
    "Best possible recall: boxes that at least one sample learns, of all boxes",
    ("BPR",),
    {
        "retinanet_none": ("RetinaNet, IoU at least 0.5", "86.82"),
        "retinanet_0.4": ("RetinaNet, low-quality matches of at least 0.4", "90.92"),
        "retinanet_all": ("RetinaNet, all low-quality matches", "99.23"),
        "fcos_p4": ("FCOS, P4 only", "95.55"),
        "fcos_fpn": ("FCOS, P3 to P7", "98.40"),
    },
)
TABLE_2 = Table(
    "Ambiguous samples among the positive ones, minival",
    ("all", "different_classes"),
    {
        "p4": ("P4 only", "23.16 17.84"),
        "fpn": ("P3 to P7", "7.14 3.75"),
    },
)
TABLE_3 = Table(  # from the sixth row on, each adds to the row above
    "FCOS against RetinaNet, one change at a time, ResNet-50, minival",
    (*_AP, "AR1", "AR10", "AR100"),
    {
        "RetinaNet": ("RetinaNet, C5, NMS .50", "35.9 56.0 38.2 20.0 39.8 47.4 31.0 49.4 52.5"),
        "C5": ("FCOS, C5, NMS .50", "36.3 54.8 38.7 20.5 39.8 47.8 31.5 50.6 53.5"),
        "P5": ("FCOS, P5, NMS .50", "36.4 54.9 38.8 19.7 39.7 48.8 31.4 50.6 53.4"),
        "NMS": ("FCOS, P5, NMS .60", "36.5 54.5 39.2 19.8 40.0 48.9 31.3 51.2 54.5"),
        "GN": ("FCOS, P5, GN, NMS .60", "37.1 55.9 39.8 21.3 41.0 47.8 31.4 51.4 54.9"),
        "ctr. on reg.": ("+ ctr. on reg.", "37.4 56.1 40.3 21.8 41.2 48.8 31.5 51.7 55.2"),
        "ctr. sampling": ("+ ctr. sampling", "38.1 56.7 41.4 22.6 41.6 50.4 32.1 52.8 56.3"),
        "GIoU": ("+ GIoU", "38.3 57.1 41.0 21.9 42.4 49.5 32.0 52.9 56.5"),
        "normalization": ("+ normalization", "38.6 57.4 41.4 22.3 42.5 49.8 32.3 53.4 57.1"),
    },
)
TABLE_4 = Table(
    "Center-ness, ResNet-50, minival",
    _AP,
    {
        "none": ("none", "33.5 52.6 35.2 20.8 38.5 42.6"),
        "computed": ("computed from l, t, r, b", "33.5 52.4 35.1 20.8 37.8 42.8"),
        "branch": ("branch", "37.1 55.9 39.8 21.3 41.0 47.8"),
    },
)
TABLE_5 = Table(
    "Other backbones, test-dev",
    ("AP",),
    {
        "RetinaNet, ResNet-101": ("RetinaNet, ResNet-101", "39.1"),
        "ResNet-101": ("FCOS, ResNet-101", "41.5"),
        "HRNet-W32-5l": ("FCOS, HRNet-W32-5l", "42.0"),
        "ResNeXt-101-32x8d": ("FCOS, ResNeXt-101-32x8d", "42.7"),
        "ResNeXt-101-64x4d": ("FCOS, ResNeXt-101-64x4d", "43.2"),
        "improved": ("FCOS, ResNeXt-101-64x4d, improvements", "44.7"),
    },
)
TABLE_6 = Table(
    "Region proposals in Faster R-CNN, ResNet-50, all with group norm, minival",
    ("AR100", "AR1000"),
    {
        "RPN": ("RPN", "44.7 56.9"),
        "FCOS without center-ness": ("FCOS without center-ness", "48.0 59.3"),
        "FCOS": ("FCOS", "52.8 60.3"),
    },
)
TABLE_7 = Table(
    "Class-agnostic precision and recall, ResNet-50, minival",
    ("AP", "AP50", "AP75", "AP90"),
    {
        "RetinaNet": ("RetinaNet", "39.5 63.6 41.8 10.6"),
        "RetinaNet with GN": ("RetinaNet with GN", "40.0 64.5 42.2 10.4"),
        "FCOS": ("FCOS", "40.5 64.7 42.6 13.1"),
    },
)
TABLE_8 = Table(  # another state of the authors' code than Table 3: compare only within a table
    "What else was changed, ResNet-50, minival",
    ("AP",),
    {
        "RetinaNet, 1 anchor": ("RetinaNet, 1 anchor", "32.5"),
        "RetinaNet, 9 anchors": ("RetinaNet, 9 anchors", "35.7"),
        "C5": ("FCOS, C5", "35.7"),
        "P5": ("FCOS, P5", "35.8"),
        "GN": ("FCOS, P5, GN", "36.3"),
        "scale": ("FCOS, P5, GN, s_i", "36.4"),
        "IoU loss": ("FCOS, P5, GN, s_i, IoU loss", "36.6"),
    },
)
TABLES = {1: TABLE_1, 2: TABLE_2, 3: TABLE_3, 4: TABLE_4, 5: TABLE_5, 6: TABLE_6, 7: TABLE_7, 8: TABLE_8}

# ---- the figures of the text ----------------------------------------------------------------------------------

# Section 4.1: detections that come from ambiguous locations, of all detections.
AMBIGUOUS_DETECTIONS = Row(
    "ambiguous_detections",
    "detections from ambiguous locations",
    {"all": Printed("2.3"), "different_classes": Printed("1.5")},
)
# An early version of the paper: Table 4 with the true center-ness at inference.
ORACLE = Row("oracle", "oracle (an early version of the paper)", {"AP": Printed("42.1")})

ANCHORS = 180_000  # section 1: an FPN at a short side of 800 pixels has more anchors than that
RETINANET_ANCHOR_LOSS = 4  # section 1: points of AP that RetinaNet's anchor sizes, ratios and counts decide on
PROPOSAL_SAMPLES = {"RPN": 200_000, "FCOS": 66_000}  # Table 6: samples of an image, about
IMAGES = {"trainval35k": 115_000, "minival": 5_000, "test-dev": 20_000}  # section 4, about
