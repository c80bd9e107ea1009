"""JupyterLab 4 in a real browser: a slider over frames, an explorer, a quiz and the workbench answer there.

JupyterLab has its own ideas of keys (arrows move from cell to cell), and its own way to put outputs into the page.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from tests.conftest import PATIENCE, absent

CELLS = (
    """\
from matplotlib.figure import Figure

from fcos_edu.widgets import box_explorer, stack


def frame(k):
    figure = Figure(figsize=(4, 2))
    figure.subplots().set_title(f"{k} steps")
    return figure


stack(frame, 5, description="steps")""",
    "box_explorer([[40, 30, 240, 190], [60, 60, 150, 160]], size=(240, 320))",
    """\
from jupyterquiz import display_quiz

answers = [
    {"answer": "a location", "correct": True, "feedback": "Right."},
    {"answer": "an anchor", "correct": False, "feedback": "Not here."},
]
display_quiz([{"question": "Who learns a box?", "type": "multiple_choice", "answers": answers}])""",
    """\
from fcos_edu.widgets import workbench

workbench()""",
)


# jupyterquiz asks for it where JupyterLab has begun to load its own MathJax, and is not ready half a second later: on a
# busy machine, then. No quiz here has a formula.
QUIZ_MATHJAX = "https://cdn.jsdelivr.net/npm/mathjax@3/es5/tex-svg.js"


def wait_for_server(runtime: Path, process: subprocess.Popen[bytes], log: Path) -> str:
    """The address that the server writes down once it listens."""
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end:
        for file in runtime.glob("jpserver-*.json"):
            try:
                return str(json.loads(file.read_text("utf-8"))["url"])
            except json.JSONDecodeError:  # half written
                pass
        if process.poll() is not None:
            break
        time.sleep(0.2)
    pytest.fail(f"JupyterLab does not start:\n{log.read_text('utf-8')[-2000:]}", pytrace=False)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab of its own, with one notebook that has not been run."""
    if importlib.util.find_spec("jupyterlab") is None:
        absent('JupyterLab is missing: pip install "fcos-edu[test]".')
    root = tmp_path_factory.mktemp("lab")
    (root / "work").mkdir()
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}  # else it asks which
    notebook = new_notebook(cells=[new_code_cell(text) for text in CELLS], metadata=kernel)
    nbformat.write(notebook, root / "work" / "small.ipynb")
    own = {f"JUPYTER_{name}_DIR": str(root / name.lower()) for name in ("RUNTIME", "CONFIG", "DATA")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(root / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    options = [
        "--no-browser", "--ip=127.0.0.1", "--ServerApp.port=0", "--IdentityProvider.token=",
        "--ServerApp.allow_root=True", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", f"--ServerApp.root_dir={root / 'work'}",
    ]  # fmt: skip
    with (root / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=environment | own | {"PYTHONPATH": path},
            cwd=root / "work",
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield wait_for_server(root / "runtime", process, root / "log.txt")
    finally:
        process.terminate()  # kernels end with it
        process.wait()


@pytest.fixture(scope="module")
def page(chromium: Any, lab: str) -> Iterator[Any]:
    """The notebook, after all of its cells were run."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1400})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    outside: list[str] = []
    local = (lab, lab.replace("http", "ws", 1), "data:", "blob:")
    known = (*local, QUIZ_MATHJAX)
    page.on("request", lambda request: outside.append(request.url) if not request.url.startswith(known) else None)
    page.goto(f"{lab}lab/tree/small.ipynb")
    page.locator(".jp-Notebook").wait_for()
    page.wait_for_function("window.jupyterapp")
    page.evaluate("window.jupyterapp.restored.then(() => 0)")
    page.locator("#jp-main-statusbar", has_text="| Idle").wait_for()  # before its kernel is there, it asks which one
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.locator(".Quiz").first.wait_for()
    yield page
    context.close()
    assert not outside


def test_a_slider_over_frames_answers_its_keys(page: Any) -> None:
    slider = page.get_by_role("slider", name="steps")
    slider.focus()
    for key, word in (("ArrowRight", "1"), ("ArrowUp", "2"), ("ArrowLeft", "1"), ("End", "4"), ("Home", "0")):
        page.keyboard.press(key)
        assert slider.get_attribute("aria-valuetext").endswith(f": {word} steps"), key
    seen = page.locator(".fcx-pile img").evaluate_all(
        "(all) => all.map((image) => image.checkVisibility({ visibilityProperty: true }))"
    )
    assert seen == [True, False, False, False, False]
    assert slider.evaluate("(node) => node === document.activeElement"), "JupyterLab went on to another cell"


def test_an_explorer_answers_its_keys(page: Any) -> None:
    page.get_by_role("application", name="Locations of the picture").focus()
    said = page.locator(".fcx-say").inner_text()
    page.keyboard.press("ArrowRight")
    page.locator(".fcx-say", has_not_text=said).wait_for()


def test_a_quiz_answers(page: Any) -> None:
    quiz = page.locator(".Quiz").first
    quiz.locator("label.MCButton", has_text="a location").click()
    quiz.locator(".Feedback", has_text="Right.").wait_for()


IMAGE = "document.querySelector('img.widget-image')"


def drawn(page: Any) -> Any:
    """The workbench's picture, once the browser has it."""
    return page.wait_for_function(f"() => {IMAGE}?.naturalWidth > 0 && {IMAGE}.src").json_value()


def test_the_workbench_follows_its_sliders(page: Any) -> None:
    before, words = drawn(page), page.get_by_role("status").filter(has_text="candidates")
    assert page.locator(".jp-OutputArea-output img.widget-image").count() == 1, "the widget, and not its picture too"
    assert "above 0.30" in words.inner_text()
    page.get_by_role("slider").filter(visible=True).and_(page.locator(".noUi-handle")).first.focus()
    page.keyboard.press("ArrowRight")
    words.filter(has_text="above 0.31").wait_for()
    page.wait_for_function(f"(before) => {IMAGE}.src !== before", arg=before)
    page.get_by_role("button", name="P3").click()
    words.filter(has_text="on P4, P5, P6, P7 ").wait_for()


def test_the_workbench_takes_a_picture(page: Any, tmp_path: Path) -> None:
    drawn(page)
    picture, text = tmp_path / "mine.png", tmp_path / "notes.png"
    Image.new("RGB", (90, 30), "green").save(picture)
    text.write_text("no picture", "utf-8")
    for file in (text, picture):
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="your picture").click()
        chooser.value.set_files(file)
        if file == text:
            page.get_by_role("alert").filter(has_text="notes.png cannot be read as a picture").wait_for()
    page.wait_for_function(f"{IMAGE}.naturalHeight < 200")  # a flat one
    assert page.get_by_role("alert").filter(has_text="notes.png").count() == 0
