"""The network: every shape is named, and a map lies where its image does."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest

from fcos_edu import figures

from .support import IMAGE, OUTPUTS, SHAPES, by_gid, rectangles, xy


class TestTheNetwork:
    def test_the_architecture_names_every_shape(self) -> None:
        (axes,) = figures.architecture(SHAPES, convs=4, outputs=OUTPUTS).axes
        for name, (channels, height, width) in SHAPES.items():
            assert by_gid(axes, f"shape {name}").get_text() == f"{height} × {width} × {channels}"
        for name, channels in OUTPUTS.items():
            assert by_gid(axes, f"output {name}").get_text().endswith(f"H × W × {channels}")
        for tower in ("classification", "regression"):
            assert len([p for p in axes.patches if p.get_gid() == f"{tower} conv"]) == 4

    @pytest.mark.parametrize("tower", ["classification", "regression"])
    def test_center_ness_stands_beside_its_tower(self, tower: str) -> None:
        (axes,) = figures.architecture(SHAPES, convs=2, outputs=OUTPUTS, centerness=tower).axes
        y = {name: by_gid(axes, f"output {name}").get_position()[1] for name in OUTPUTS}
        other = {"classification": "regression", "regression": "classification"}[tower]
        assert abs(y["centerness"] - y[tower]) < abs(y["centerness"] - y[other])

    def test_an_architecture_without_a_branch_has_no_such_output(self) -> None:
        outputs = {name: n for name, n in OUTPUTS.items() if name != "centerness"}
        (axes,) = figures.architecture(SHAPES, convs=2, outputs=outputs).axes
        assert not [t for t in axes.texts if "center" in t.get_text()]

    def test_an_architecture_that_lacks_something_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"shapes of \['image', 'C3'\]"):
            figures.architecture({k: SHAPES[k] for k in ("image", "C3")}, convs=4, outputs=OUTPUTS)
        with pytest.raises(ValueError, match="'both'"):
            figures.architecture(SHAPES, convs=4, outputs=OUTPUTS, centerness="both")

    def test_a_feature_map_fills_the_image(self) -> None:
        values = np.arange(6.0).reshape(2, 3)
        left, right = figures.feature_map(IMAGE, values, "P9").axes
        assert right.images[0].get_array().tolist() == values.tolist()
        assert tuple(right.images[0].get_extent()) == (0, 60, 40, 0) == tuple(left.images[0].get_extent())
        assert right.get_title() == "P9"
        assert right.images[0].get_clim() == (0, 5)

    def test_a_feature_map_of_zeros_is_a_picture_too(self) -> None:
        figures.feature_map(IMAGE, np.zeros((2, 3)), "dead").savefig(BytesIO())

    def test_influence_is_framed_where_it_is_not_zero(self) -> None:
        near, none = np.zeros((40, 60)), np.zeros((40, 60))
        near[10:14, 20:30], near[11, 22] = 1.0, 4.0
        first, second = figures.influence(IMAGE, {"near": near, "none": none}, at=(22, 11)).axes
        assert rectangles(first) == [[20, 10, 30, 14]] and rectangles(second) == []
        shade = first.images[1].get_array()[..., 3]
        assert shade[11, 22] == 1 and shade[12, 25] == pytest.approx(0.5) and shade[0, 0] == 0
        assert xy(first.lines[0]) == [[22, 11]]
