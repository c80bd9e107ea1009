"""How long the detectors of the page *Look inside* take in a browser, on a picture of 256 x 256.

    python scripts/measure_look_inside.py                      20 runs of each into fcos_edu/results/look_inside.json
    python scripts/measure_look_inside.py --against OLD.js     beside another network.js, in pairs; nothing is written

A run is the whole way from bytes to the predictions of all levels, in a worker, as the page has it. The first ones, in
which the browser still translates the script, do not count. The two of a pair run one after the other, in turns which
one begins, so that what else the machine does falls on both. What they predict must be equal, or it is no comparison.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fcos_edu.config import PACKAGED
from fcos_edu.data import load
from fcos_edu.records import RESULTS, record
from fcos_edu.weights import packaged

if not __package__:  # run as a file: the folder of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts import ROOT
from scripts.make_pdf import BROWSERS

NETWORK = ROOT / "book" / "_look_inside" / "network.js"
SIDE = 256  # pixels
WARM = 3  # runs that do not count
Measured = tuple[list[list[float]], float]
TOLERANCE = 1e-4  # of logits, distances and center-ness, relative above 1

WORK = """(makes) => {
  onmessage = ({ data: { checkpoint, rgba, side, warm, runs } }) => {
    const networks = makes.map((make) => {
      const inside = make();
      return inside.detector(inside.parse(checkpoint));
    });
    const times = networks.map(() => []), seen = [];
    for (let turn = 0; turn < warm + runs; turn++) {
      networks.forEach((_, place) => {
        const i = (place + turn) % networks.length, start = performance.now();
        seen[i] = networks[i](rgba, side, side);
        if (turn >= warm) times[i].push(performance.now() - start);
      });
    }
    let difference = 0;
    for (const key of ["logits", "distances", "centerness"]) {
      seen[0].levels.forEach((level, i) => level[key].forEach((value, k) => {
        const other = seen.at(-1).levels[i][key][k];
        difference = Math.max(difference, Math.abs(value - other) / Math.max(1, Math.abs(value)));
      }));
    }
    postMessage({ times, difference });
  };
}"""
ASK = """({ work, networks, checkpoint, picture, ...rest }) => new Promise((done, failed) => {
  const makes = networks.map((text) => `(() => { ${text}; return fcosInThePage; })()`);
  const blob = new Blob([`(${work})([${makes.join(",\\n")}])`], { type: "text/javascript" });
  const worker = new Worker(URL.createObjectURL(blob));
  worker.onmessage = ({ data }) => { worker.terminate(); done(data); };
  worker.onerror = ({ message }) => failed(new Error(message));
  const rgba = Uint8ClampedArray.from(atob(picture), (letter) => letter.charCodeAt(0));
  worker.postMessage({ checkpoint, rgba, ...rest });
})"""


def measure(page: Any, name: str, networks: Sequence[str], runs: int, warm: int = WARM) -> Measured:
    """Milliseconds of each run of a packaged detector by each of the scripts, and how far the first and last differ.

    Args:
        page: of a browser, as playwright has it.
        name: of the detector.
        networks: the text of one or two ``network.js``.
        runs: how many count.
        warm: how many before them do not.
    """
    image, _ = load("shapes", "test", num_images=1)[0]
    rgb = image.permute(1, 2, 0).numpy()[:SIDE, :SIDE]
    rgba = np.dstack([rgb, np.full((SIDE, SIDE), 255, dtype=np.uint8)])
    given = {
        "work": WORK,
        "networks": list(networks),
        "checkpoint": base64.b64encode(Path(packaged(name)).read_bytes()).decode(),
        "picture": base64.b64encode(rgba.tobytes()).decode(),
        "side": SIDE,
        "warm": warm,
        "runs": runs,
    }
    answer = page.evaluate(ASK, given)
    return answer["times"], answer["difference"]


def compare(page: Any, name: str, ours: str, other: str, runs: int, warm: int = WARM) -> str:
    """In words: our script beside another, as medians over pairs.

    Raises:
        ValueError: they predict other things.
    """
    (own, its), difference = measure(page, name, [ours, other], runs, warm)
    if not difference <= TOLERANCE:
        raise ValueError(f"{name}: the two differ by {difference:.2g}; {TOLERANCE:.0e} is allowed")
    ratio = statistics.median(a / b for a, b in zip(own, its, strict=True))
    faster = sum(a < b for a, b in zip(own, its, strict=True))
    return (
        f"{name}: {statistics.median(own):.0f} ms, the other {statistics.median(its):.0f} ms; "
        f"median ratio {ratio:.3f}, faster in {faster} of {runs} pairs, difference {difference:.1g}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each detector; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--against", type=Path, metavar="OLD.js", help="another network.js, to run in pairs with ours")
    parser.add_argument("--out", type=Path, default=RESULTS / "look_inside.json", help="the record")
    arguments = parser.parse_args(argv)
    if arguments.runs < 1:
        parser.error(f"--runs is {arguments.runs}; it must be at least 1")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        print("error: no Chromium or Chrome on this machine; CHROMIUM may name one", file=sys.stderr)
        return 1
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.set_default_timeout(0)
        ours = NETWORK.read_text("utf-8")
        if arguments.against:
            for name in PACKAGED:
                print(compare(page, name, ours, arguments.against.read_text("utf-8"), arguments.runs))
            return 0
        metrics = {}
        for name in PACKAGED:
            ((own,), _) = measure(page, name, [ours], arguments.runs)
            low, middle, high = min(own), statistics.median(own), max(own)
            metrics[name] = {"median": round(middle, 1), "lowest": round(low, 1), "highest": round(high, 1)}
            print(f"{name}: median {middle:.0f} ms of {arguments.runs} runs, {low:.0f} to {high:.0f}")
        version = browser.version
    more = "" if arguments.runs == 20 else f" --runs {arguments.runs}"
    record(
        arguments.out,
        what="Milliseconds of the packaged detectors in a browser, from bytes to predictions, in plain JavaScript",
        command=f"python scripts/measure_look_inside.py{more}",
        metrics=metrics,
        data=f"the first picture of the generated test split, {SIDE} x {SIDE}",
        browser=f"Chromium {version}",
        runs=arguments.runs,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
