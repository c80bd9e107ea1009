"""``fcos-edu recipes``: all that there are, and those that are named."""

from fcos_edu.training.recipes import RECIPES
from tests.cli.calls import run


def test_recipes_are_listed_with_source_cost_and_memory(capsys):
    assert run("recipes") == 0
    told = capsys.readouterr().out
    for name, recipe in RECIPES.items():
        assert f"{name}: {recipe.what}" in told and recipe.source in told
    assert run("recipes", "coco-r50-1x") == 0
    assert "expected  AP 37.1" in capsys.readouterr().out
    assert run("recipes", "coco") == 1
    assert "there is no recipe 'coco'" in capsys.readouterr().err
