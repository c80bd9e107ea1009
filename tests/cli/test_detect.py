"""``fcos-edu detect``: what it leaves; its input stays as it is."""

import json

from PIL import Image

from fcos_edu import data
from tests.cli.calls import run


def test_detect_draws_and_writes_coco_json(tmp_path, checkpoint, photograph):
    other = tmp_path / "more" / "hopper.jpg"  # the same name in another folder must not overwrite
    other.parent.mkdir()
    other.write_bytes(photograph.read_bytes())
    out = tmp_path / "out"
    assert run("detect", checkpoint, photograph.parent, other, "--out", out, "--threshold", 0.01) == 0
    assert sorted(p.name for p in out.iterdir()) == ["detections.json", "hopper-2.png", "hopper.png"]
    document = json.loads((out / "detections.json").read_text())
    assert [i["id"] for i in document["images"]] == [1, 2]
    assert document["categories"][0] == {"id": 1, "name": "disc"}
    assert len(document["annotations"]) > 10
    for entry in document["annotations"]:
        x, y, w, h = entry["bbox"]
        assert 0 <= x <= 256 and 0 <= y <= 300 and x + w <= 256.01 and y + h <= 300.01
        assert 1 <= entry["category_id"] <= 5 and 0 <= entry["score"] <= 1
    drawn, plain = Image.open(out / "hopper.png"), Image.open(photograph)
    assert drawn.size == plain.size and drawn.tobytes() != plain.tobytes()


def test_detect_never_writes_over_its_input(tmp_path, checkpoint):
    picture = tmp_path / "a.png"
    Image.new("RGB", (64, 64), (9, 9, 9)).save(picture)
    before = picture.read_bytes()
    assert run("detect", checkpoint, picture, "--out", tmp_path) == 0
    assert picture.read_bytes() == before and (tmp_path / "a-1.png").exists()


def test_detect_never_writes_over_a_picture_it_has_yet_to_read(tmp_path, checkpoint):
    for name in ("a.jpg", "a.png", "a-1.png"):
        Image.new("RGB", (64, 64), (9, 9, 9)).save(tmp_path / name)
    before = {p.name: p.read_bytes() for p in tmp_path.glob("a*")}
    assert run("detect", checkpoint, tmp_path, "--out", tmp_path) == 0
    assert all((tmp_path / name).read_bytes() == content for name, content in before.items())
    assert len(list(tmp_path.glob("a*"))) == 6


def test_detections_of_detect_are_scored_by_file_and_class_names(tmp_path, checkpoint):
    """The numbers in detect's file are its own; a data set counts differently."""
    folder = tmp_path / "set"
    data.ShapesDataset(num_images=3, split="test", size=(128, 128)).export_coco(folder)
    assert run("detect", checkpoint, folder / "images", "--out", tmp_path / "out") == 0
    document = json.loads((tmp_path / "out" / "detections.json").read_text())
    truth = json.loads((folder / "test.json").read_text())
    file_of = {i["id"]: i["file_name"] for i in truth["images"]}
    own = {i["file_name"].split("/")[-1]: i["id"] + 50 for i in document["images"]}
    for entry in document["images"]:
        entry["id"] += 50
    document["annotations"] = [
        {**a, "image_id": own[file_of[a["image_id"]]], "score": 0.9, "id": k}
        for k, a in enumerate(truth["annotations"])
    ]
    (tmp_path / "found.json").write_text(json.dumps(document))
    out = tmp_path / "ap.json"
    words = ["evaluate", "--data", folder, "--out", out, "--detections", tmp_path / "found.json"]
    assert run(*words) == 0
    assert json.loads(out.read_text())["AP"] > 0.99


def test_detect_refuses_or_skips_an_unreadable_image(tmp_path, checkpoint, photograph, capsys):
    broken = photograph.parent / "broken.jpg"
    broken.write_bytes(photograph.read_bytes()[:200])
    assert run("detect", checkpoint, photograph.parent, "--out", tmp_path / "a") == 1
    assert "broken.jpg" in capsys.readouterr().err
    assert run("detect", checkpoint, photograph.parent, "--out", tmp_path / "b", "--on-corrupt", "skip") == 0
    assert "1 unreadable images skipped" in capsys.readouterr().out
