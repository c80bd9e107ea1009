"""The capstone: an ablation with seeds and a report of one page, as a notebook for students and for instructors.

The page about it, with the rubric, is book/teaching/capstone.md; the rubric is read from there.
"""

from __future__ import annotations

import re

from nbformat import NotebookNode

from scripts import ROOT
from scripts.course import notebooks

FILE = "capstone.ipynb"
PAGE = ROOT / "book" / "teaching" / "capstone.md"

_HEAD = """\
# Capstone: one change, several seeds, one page

Ask one question about FCOS that an experiment can answer, answer it with at least three seeds on each side, and write
one page about it. What counts is whether a reader can believe you, not whether your change helps.

**Time**: two to three weeks beside other work; this notebook runs in about a quarter of an hour with the numbers that
stand in it. **You need**: the chapters *Training*, *How good is it* and *One change at a time*, and your labs.

**Hand in**: section 1 in the first week, before the first run; at the end this notebook as it ran, and the report as a
PDF of one page."""

_QUESTION = """\
## 1. The question

Choose one field of the configuration and two values of it. Say **before** you train what you expect, and how large a
difference would have to be to matter to you. Some questions that can be answered in this notebook:

- Does center-ness help when the scores are multiplied with it? (`centerness_inference`: `"branch"`, `"none"`)
- Does center sampling help on small pictures? (`center_sampling_radius`: `None`, `1.5`)
- Is GIoU better than the IoU loss? (`box_loss`: `"giou"`, `"iou"`)
- Do the half strides of the locations matter? (`location_offset`: `"half_stride"`, `"none"`)

`from fcos_edu import FCOSConfig; print(FCOSConfig.tiny())` shows all fields of the model. A question about the
training, such as its rate, needs another `measure`: `value` then belongs into `TrainConfig`.

Write here, before the first run:

- **Question**: ...
- **I expect**: ..., because ...
- **It would matter to me** if AP differed by at least ...
- **Everything else is equal**: data, steps, batch, seeds, rate."""

_DESIGN = """\
FIELD, FIRST, SECOND = "box_loss", "iou", "giou"  # your question
SEEDS = (0, 1, 2)  # at least three; five are better
STEPS = 60  # of each run; 300 and more for the report, where you have the time
PICTURES = 40  # of the test, the same for all runs
"""

_TRAIN = """\
import statistics
import tempfile
from pathlib import Path

from fcos_edu import FCOS, FCOSConfig, figures
from fcos_edu.data import load, transforms
from fcos_edu.evaluation import evaluate
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.loop import train

runs = Path(tempfile.mkdtemp())
test = load("shapes", "test", num_images=PICTURES, transforms=transforms.eval_transforms())  # drawn as for training


def measure(value, seed: int) -> float:
    \"\"\"AP in percent after a training with this value and this seed.\"\"\"
    model = FCOSConfig.tiny(num_classes=5, min_size=128, max_size=128).replace(**{FIELD: value})
    config = TrainConfig(
        data="shapes", iterations=STEPS, batch_size=8, lr=0.01, lr_batch_size=8, warmup_iterations=STEPS // 6,
        test_split="", precision="no", seed=seed, model=model,
    )
    folder = runs / f"{value}-{seed}"
    train(config, folder, progress=False)
    return 100 * evaluate(FCOS.load(folder / "model.safetensors"), test, progress=False)["AP"]
"""

_RUN = """\
ap = {value: [measure(value, seed) for seed in SEEDS] for value in (FIRST, SECOND)}
for value, values in ap.items():
    print(f"{value}: {[round(v, 2) for v in values]}  mean {statistics.mean(values):.2f}")
"""

_JUDGE = """\
import math

gains = [second - first for first, second in zip(ap[FIRST], ap[SECOND])]  # paired by seed
mean, error = statistics.mean(gains), statistics.stdev(gains) / math.sqrt(len(gains))
t = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36}.get(len(gains), 2.31)  # 95 %, Student
print(f"{SECOND} - {FIRST}: {mean:+.2f} AP, 95 % interval {mean - t * error:+.2f} to {mean + t * error:+.2f}")
means = {"AP": [statistics.mean(values) for values in ap.values()]}
spreads = {"AP": [statistics.stdev(values) for values in ap.values()]}
figures.bars([str(value) for value in ap], means, ylabel="AP, %", spreads=spreads)
"""

_WORDS = """\
**In words, what the picture shows.** One bar for each side, as high as its mean AP, and a line on it as long as the
seeds are spread. Where the lines reach over the other bar's end, the means alone say little: the interval of the
*difference*, which is printed above, decides. Write such words below your own figure, too: not every reader sees it."""

_REPORT = """\
## 4. The report: one page

Five short parts. A reader who has only this page must be able to repeat what you did.

1. **Question and expectation**, as you wrote them before the first run.
2. **Method**: what differs, what is equal, data, steps, seeds; the command or cell that repeats it.
3. **Result**: one figure or one table, with the spread and the interval. All seeds are shown, bad ones too.
4. **What follows, and what does not**: the interval against the difference that would matter to you. "Not told apart"
   is a result.
5. **Limits**: what could be different with other data, longer runs, a larger network; what you would do next."""

_NOTES = """\
**For the instructor.** Let students hand in section 1 in the first week, and answer each in two sentences: most
trouble comes from questions that change two things at once, or that no small detector can answer. With 60 steps on
pictures shrunk to 128 pixels the AP is low and scatters; three seeds tell hardly anything apart, and a report that says
so deserves full marks for its conclusion. A group with a GPU may use `fcos-edu study` with its own design. Common
mistakes: the best seed is reported; the test pictures were used to choose; two means are compared without a spread;
"no significant difference" is read as "no difference"; the expectation was written afterwards."""


def rubric() -> str:
    """The table of the page.

    Raises:
        ValueError: the page has none.
    """
    found = re.search(r"^## Rubric\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.M | re.S)
    if found is None:
        raise ValueError(f"{PAGE} has no section '## Rubric'")
    return found[1].strip()


def capstone(*, instructor: bool = False, url: str | None = None) -> NotebookNode:
    """The notebook."""
    cells = [notebooks.text(_HEAD, "head"), notebooks.install(url)]
    if instructor:
        cells.insert(1, notebooks.text(_NOTES, "notes"))
    cells += [
        notebooks.text(_QUESTION, "question"),
        notebooks.text("## 2. The design\n\nThe same for both sides, but for one field.", "design-text"),
        notebooks.code(_DESIGN, "design"),
        notebooks.code(_TRAIN, "train"),
        notebooks.text("## 3. Run, and judge\n\nEach run takes some minutes on a CPU. Do not stop when you like "
                       "what you see: the number of seeds stands above.", "run-text"),
        notebooks.code(_RUN, "run"),
        notebooks.code(_JUDGE, "judge"),
        notebooks.text(_WORDS, "judge-words"),
        notebooks.text(_REPORT, "report"),
        notebooks.text(f"## Rubric\n\n{rubric()}", "rubric"),
    ]  # fmt: skip
    return notebooks.notebook(cells, fcos_edu={"capstone": True})
