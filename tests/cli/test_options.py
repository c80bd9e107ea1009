"""Settings, and the command behind a figure."""

import pytest

from fcos_edu.cli.options import parse_setting, without_place


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cache=true", True),
        ("cache=False", False),
        ("lr=0.5", 0.5),
        ("zoom=(0.5,2)", (0.5, 2)),
        ("augment=none", "none"),
    ],
)
def test_a_setting_is_a_literal_or_a_word(text, value):
    found = parse_setting(text)[1]
    assert found == value and type(found) is type(value)


def test_a_record_names_no_folder_of_this_machine() -> None:
    names = {
        "bccd": "bccd",
        "runs/bccd/model.safetensors": "runs/bccd/model.safetensors",
        "/data/runs/bccd/model.safetensors": "bccd/model.safetensors",
        "../runs/bccd/model.safetensors": "bccd/model.safetensors",
        "/data/found.json": "found.json",
        "~/photographs": "photographs",
    }
    assert {name: without_place(name) for name in names} == names
