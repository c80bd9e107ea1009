"""scripts/compare_yolo.py with a program in the place of the peer: what is handed to it, and how it is scored."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from fcos_edu import data
from fcos_edu.ownership import looks_ours
from scripts import compare_yolo

# Finds every true box of the test images, but for those of the first image.
PEER = """#!{python}
import json, os, sys, time
from pathlib import Path
if sys.argv[1:] == ["version"]:
    print("8.4.0")
    sys.exit()
task, mode, *words = sys.argv[1:]
told = dict(word.split("=", 1) for word in words)
place = Path(told["project"]) / told["name"]
if mode == "train":
    assert os.environ["OMP_NUM_THREADS"] == "1" and told["pretrained"] == "False"
    assert json.loads(Path(told["data"]).read_text())["names"][0]
    before, used = time.time(), time.process_time()
    time.sleep(0.5)
    idle = time.time() - before
    while time.process_time() < used + 0.5:
        pass
    assert idle < 0.25 < time.time() - before, "the clock is processor time"
    (place / "weights").mkdir(parents=True)
    (place / "weights" / "last.pt").write_text(json.dumps(told))
    (place / "results.csv").write_text("epoch,loss\\n1,2.0\\n2,1.0\\n")
else:
    assert Path(told["model"]).is_file()
    (place / "labels").mkdir(parents=True)
    for image in sorted(Path(told["source"]).iterdir())[1:]:
        truth = image.parents[2] / "labels" / image.parent.name / (image.stem + ".txt")
        lines = [line + " 0.5" for line in truth.read_text().splitlines()]
        (place / "labels" / truth.name).write_text("\\n".join(lines) + "\\n")
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    file = tmp_path / "yolo"
    file.write_text(PEER.format(python=sys.executable), encoding="utf-8")
    file.chmod(0o755)
    return str(file)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    for split, seed in (("train", 1), ("val", 2), ("test", 3)):
        drawn = data.ShapesDataset(num_images=4, split=split, size=(64, 96), seed=seed)
        drawn.export_coco(tmp_path / "set")
    return str(tmp_path / "set")


def test_the_peer_is_trained_and_scored_by_the_same_code(tmp_path: Path, program: str, folder: str) -> None:
    figures = compare_yolo.peer(program, {"batch": 8}, folder, 5, 36.0, tmp_path / "place")
    # of four images, all but one are found whole
    assert 0.5 < figures["AP50"] < 1 and figures["AP"] == pytest.approx(figures["AP50"], abs=0.05)
    assert figures["epochs"] == 2 and {"cpu_seconds", "seconds"} <= set(figures)
    told = json.loads((tmp_path / "place" / "run" / "weights" / "last.pt").read_text("utf-8"))
    assert (told["batch"], told["seed"], told["time"], told["imgsz"]) == ("8", "5", "0.01", "320")


def test_processor_time_of_a_command_is_measured_and_its_failure_told(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.2: pass"
    cpu, wall = compare_yolo.timed([sys.executable, "-c", busy], tmp_path / "log")
    assert cpu >= 0.2 and wall >= 0.2
    with pytest.raises(RuntimeError, match=r"ended with 3:\n.*no such model"):
        compare_yolo.timed([sys.executable, "-c", "print('no such model'); raise SystemExit(3)"], tmp_path / "log")


def test_a_run_that_stands_in_the_record_is_not_trained_again(
    tmp_path: Path, program: str, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "record.json"
    words = ["--peer", program, "--data", folder, "--record", str(record), "--seconds", "1", "--seeds", "0", "1"]
    monkeypatch.setattr(compare_yolo, "SETTINGS", {"defaults": {}, "other": {"batch": 8}})
    with pytest.raises(SystemExit):
        compare_yolo.main(["best", *words])  # nothing was tried
    assert compare_yolo.main(["trials", *words, "--only", "defaults"]) == 0
    assert [run["settings"] for run in compare_yolo.recorded(record)] == ["defaults"]
    assert compare_yolo.main(["trials", *words]) == 0 and compare_yolo.main(["best", *words]) == 0
    first = record.read_bytes()
    assert {run["version"] for run in json.loads(first)["runs"]} == {"8.4.0"}
    assert looks_ours(record), "fcos-edu's own, as all records are"
    assert {"what", "command", "data", "hardware", "versions", "date"} <= set(json.loads(first))
    means = json.loads(first)["metrics"]
    assert {name: one["seeds"] for name, one in means.items()} == {"peer: defaults": 2, "peer: other": 1}
    assert means["peer: other"]["AP50"] == pytest.approx(json.loads(first)["runs"][1]["AP50"], abs=1e-4)
    runs = [(run["settings"], run["seed"]) for run in json.loads(first)["runs"]]
    assert runs == [("defaults", 0), ("other", 0), ("defaults", 1)]
    assert compare_yolo.main(["best", *words]) == 0 and record.read_bytes() == first


def test_the_peer_without_a_time_or_a_program_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, fault in ((["trials", "--peer", "yolo"], "train ours first"), (["trials"], "--peer")):
        with pytest.raises(SystemExit):
            compare_yolo.main([*words, "--record", str(tmp_path / "record.json")])
        assert fault in capsys.readouterr().err


def test_what_is_found_is_read(tmp_path: Path) -> None:
    image = tmp_path / "a b.png"
    Image.new("RGB", (200, 100)).save(image)
    other = tmp_path / "c.png"
    Image.new("RGB", (200, 100)).save(other)
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "a b.txt").write_text("1 0.5 0.5 0.1 0.2 0.25\n", encoding="utf-8")
    found = compare_yolo.read_found(labels, [image, other], ["cell", "disc"])
    assert found["annotations"] == [{"image_id": 0, "category_id": 1, "bbox": [90, 40, 20, 20], "score": 0.25}]
    (labels / "c.txt").write_text("1 0.5 0.5 0.1 0.2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="six numbers"):
        compare_yolo.read_found(labels, [image, other], ["cell", "disc"])
    with pytest.raises(ValueError, match=r"has c\.txt"):
        compare_yolo.read_found(labels, [image], ["cell", "disc"])


def test_our_runs_read_the_folder_and_are_kept(tmp_path: Path, folder: str) -> None:
    record, kept = tmp_path / "record.json", tmp_path / "kept"
    words = ["ours", "--data", "shapes", "--folder", folder, "--keep", str(kept), "--record", str(record)]
    assert compare_yolo.main([*words, "--seeds", "3", "--set", "iterations=2"]) == 0
    (run,) = json.loads(record.read_text("utf-8"))["runs"]
    assert run["side"] == "ours" and run["steps"] == 2 and run["cpu_seconds"] > 0
    assert json.loads((kept / "3" / "run" / "config.json").read_text("utf-8"))["data"] == folder
