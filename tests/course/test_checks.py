"""``check`` in a notebook: what it prints, and what it is worth."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fcos_edu.course import check
from tests.course.right import loops


def test_a_right_function(capsys: pytest.CaptureFixture[str]) -> None:
    found = check("centerness", loops.centerness)
    assert found and capsys.readouterr().out.startswith("centerness: right.")
    assert repr(found) == "<centerness: right>"
    found._ipython_display_()
    assert not capsys.readouterr().out, "printed once, not again as the value of the cell"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda d: loops.centerness(d) ** 2, "square root of Eq. 3 is missing"),
        (lambda d: None, "is a return missing?"),
        (lambda d: undefined_name, "Your function uses undefined_name"),  # noqa: F821
        (lambda d: d[:, 99], "index 99 is out of bounds"),
        (lambda d: d[..., 0] >= 0 & d[..., 1] <= 9, "joins need brackets"),  # torch's own NotImplementedError: no stub
    ],
)
def test_a_wrong_function_is_helped(
    capsys: pytest.CaptureFixture[str], function: Callable[..., object], words: str
) -> None:
    assert not check("centerness", function)
    out = capsys.readouterr().out
    assert out.startswith("centerness: not yet.") and words in out and "Traceback" not in out


@pytest.mark.parametrize("words", [(), ("to do",)])
def test_a_stub_is_not_written_yet(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    def stub(ltrb: object) -> object:
        raise NotImplementedError(*words)

    assert not check("centerness", stub)
    assert capsys.readouterr().out == "centerness: not yet. This function is not written yet.\n"


def test_an_edge_that_is_not_written_yet_has_its_name_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def centerness(ltrb: torch.Tensor) -> torch.Tensor:
        if ((ltrb == 0).any(-1) & (ltrb > 0).any(-1)).any():
            raise NotImplementedError
        return loops.centerness(ltrb)

    assert not check("centerness", centerness)
    out = capsys.readouterr().out
    assert "Look at what happens here: a distance of 0. There it ends in an error, NotImplementedError." in out


def test_wrong_calls() -> None:
    with pytest.raises(ValueError, match="there is no question 'centernes'; there are centerness"):
        check("centernes", loops.centerness)
    with pytest.raises(TypeError, match="your function itself"):
        check("centerness", 3)  # type: ignore[arg-type]
