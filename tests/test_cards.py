"""book/_ext/cards.py: which tables have cards on a telephone, and what their pages say for them.

How they look is tested in tests/site/test_pages.py, in a browser.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[1] / "book" / "_ext" / "cards.py"
spec = importlib.util.spec_from_file_location("cards", PATH)
assert spec and spec.loader
cards = importlib.util.module_from_spec(spec)
sys.modules["cards"] = cards  # dataclasses look their module up
spec.loader.exec_module(cards)


def table(heads: str, *rows: str, classes: str = "table") -> str:
    """As docutils writes one; cells are divided by bars."""
    head = "".join(f'<th class="head"><p>{cell}</p></th>' for cell in heads.split("|"))
    body = "".join("<tr>" + "".join(f"<td><p>{cell}</p></td>" for cell in row.split("|")) + "</tr>\n" for row in rows)
    return f'<table class="{classes}">\n<thead>\n<tr>{head}</tr>\n</thead>\n<tbody>\n{body}</tbody>\n</table>'


def with_cards(text: str) -> str:
    return cards.TABLE.sub(cards.with_cards, text)


def test_a_wide_table_has_cards_of_which_each_cell_knows_its_column() -> None:
    made = with_cards("<p>a</p>" + table("week|what is <em>read</em>|a &amp; b|", "1|two <code>words</code>||<img>"))
    assert made.startswith('<p>a</p><table class="cards table" style="--label:12" role="table">')
    assert re.findall(r'<td role="cell"(?: data-head="(.*?)")?>', made) == ["week", "what is read", "", ""]
    assert made.count('role="columnheader"') == 4 and made.count('role="row"') == 2
    assert re.sub(r' (?:role|style|data-head)="[^"]*"|\bcards ', "", made) == "<p>a</p>" + table(
        "week|what is <em>read</em>|a &amp; b|", "1|two <code>words</code>||<img>"
    ), "nothing else changes"
    assert 'data-head="a &amp; b"' in with_cards(table("week|b|a &amp; b|d", "1|2|3|4"))
    assert 'role="rowheader" data-head="b"' in with_cards(
        table("a|b|c|d", "1|2|3|4").replace("<td><p>2</p></td>", "<th>2</th>")
    )
    assert "<tbody" in (made := with_cards(table("a|b|c|d", "1|2|3|4"))) and made.count("data-head") == 4, "cells alone"
    assert 'data-head="long name"' not in with_cards(table("long name|b|c|d", "1|2|3|4")), "a title stands alone"


@pytest.mark.parametrize(
    "text",
    [
        table("a|b", f"{'w' * 50}|{'w' * 50}"),  # two columns: what is long breaks
        table("a|b|c", "many short words in a cell|many more of them|and once more"),
        table("a|b|c|d", "1|2|3|4", classes="chapters table"),  # has cards of its own
        table("a|b|c|d", "1|2|3|4").replace("<td>", '<td colspan="2">', 1),
        table("a|b|c|d", "1|2|3|4", "5|6|7"),
        table("a|b|c|d", "1|2|3|4").replace("thead", "tbody"),
        table('a|b|c|<span class="math">\\(x\\)</span>', "1|2|3|4"),  # only MathJax can draw that name
        f"<script>page.innerHTML = '{table('a|b|c|d', '1|2|3|4')}';</script>",
    ],
)
def test_other_tables_stay_as_they_are(text: str) -> None:
    assert with_cards(text) == text


def test_three_columns_are_too_wide_by_their_longest_words() -> None:
    words = ("a" * 12, "b" * 12, "c" * 12)
    assert "cards" in with_cards(table("|".join(words), "1|2|3"))
    assert "cards" in with_cards(table("a|b|c", "|".join(words)))
    assert "cards" not in with_cards(table("a|b|c", "|".join(f"{word[:6]}-{word[6:]}" for word in words))), "hyphens"
    assert "cards" not in with_cards(table("a|b|c", "|".join("字" * 20 for _ in words))), "Chinese breaks anywhere"
