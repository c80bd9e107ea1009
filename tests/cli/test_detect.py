"""``fcos-edu detect``: what it leaves; its input stays as it is."""

import json
import multiprocessing
import os
import re
import signal
import time
from pathlib import Path

import pytest
from PIL import Image

from fcos_edu import data
from fcos_edu.cli import detect as detect_file
from fcos_edu.cli import detected
from fcos_edu.data import processes
from fcos_edu.ownership import OwnFiles
from tests.cli.calls import run


def test_detect_draws_and_writes_coco_json(tmp_path, checkpoint, photograph):
    other = tmp_path / "more" / "hopper.jpg"  # the same name in another folder must not overwrite
    other.parent.mkdir()
    other.write_bytes(photograph.read_bytes())
    out = tmp_path / "out"
    assert run("detect", checkpoint, photograph.parent, other, "--out", out, "--threshold", 0.01) == 0
    assert sorted(p.name for p in out.iterdir()) == [".fcos-edu.jsonl", "detections.json", "hopper-2.png", "hopper.png"]
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


def names_in(file):
    return [Path(image["file_name"]).name for image in json.loads(file.read_text())["images"]]


def grey(path, size=(64, 48), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 90)).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    """One picture of each kind, and what else lies in such folders."""
    place = tmp_path / "photos"
    for name in ("a.jpg", "b.JPEG", "d.png", "e.bmp", "f.tiff", "g.webp"):
        grey(place / name)
    grey(place / "c.jfif", format="JPEG")
    frames = [Image.new("P", (64, 48), n) for n in (1, 2)]
    frames[0].save(place / "h.gif", save_all=True, append_images=frames[1:])
    grey(place / "deep" / "er" / "a.jpg")
    (place / "._a.jpg").write_bytes(b"\0\5\x16\7")  # what macOS leaves beside a.jpg on foreign disks
    (place / "notes.txt").write_text("x")
    (place / ".DS_Store").write_text("x")
    return place


READ = ["a.jpg", "b.JPEG", "c.jfif", "d.png", "e.bmp", "f.tiff", "g.webp", "h.gif"]


def test_all_pictures_of_a_folder_are_read_and_the_rest_is_told(tmp_path, checkpoint, folder, capsys):
    assert run("detect", checkpoint, folder, "--out", tmp_path / "out") == 0
    out, err = capsys.readouterr()
    assert names_in(tmp_path / "out" / "detections.json") == READ
    assert "on 8 images: " in out
    assert "1 sub-folder (--recursive reads them)" in err and "1 file that is no picture (.txt)" in err
    assert "1 file of macOS beside a picture (._)" in err and "DS_Store" not in err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_the_end_of_a_name_moves_no_cursor(tmp_path):
    for name in ("a.\x1b[2jpeg", "b.jpg"):
        (tmp_path / name).write_text("x")
    _, left = detect_file.list_images([tmp_path], OwnFiles(tmp_path / "out"))
    assert left == ["1 file that is no picture (.\\x1b[2jpeg)"]


def test_recursive_reads_sub_folders_and_keeps_them_apart(tmp_path, checkpoint, folder):
    out = folder / "found"  # inside: what it draws is not looked at by the second run
    for _ in range(2):
        assert run("detect", checkpoint, folder, "--recursive", "--out", out) == 0
        assert names_in(out / "detections.json") == [*READ, "a.jpg"]
        assert (out / "deep" / "er" / "a.png").exists() and len(list(out.rglob("*.png"))) == 9


def test_pictures_of_users_are_never_replaced(tmp_path, checkpoint, folder):
    """A result beside the pictures takes another name, in a second run the same one; the JSON is refused at once."""
    mine = grey(folder / "a.png")
    before = mine.read_bytes()
    for _ in range(2):
        assert run("detect", checkpoint, folder / "a.jpg", "--out", folder) == 0
        assert mine.read_bytes() == before
        assert sorted(p.name for p in folder.glob("a*")) == ["a-1.png", "a.jpg", "a.png"]
    Image.new("RGB", (9, 9)).save(folder / "a-1.png")  # now it is the user's
    changed = (folder / "a-1.png").read_bytes()
    assert run("detect", checkpoint, folder / "a.jpg", "--out", folder) == 0
    assert (folder / "a-1.png").read_bytes() == changed and (folder / "a-1-1.png").exists()


def test_a_json_of_the_users_is_refused_before_anything_is_done(tmp_path, checkpoint, photograph, capsys):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "detections.json").write_text("{}")
    assert run("detect", checkpoint, photograph, "--out", out) == 1
    assert "it is not replaced" in capsys.readouterr().err
    assert [p.name for p in out.iterdir()] == ["detections.json"] and (out / "detections.json").read_text() == "{}"


@pytest.mark.parametrize("place", ["first", "last"])
def test_an_unreadable_file_ends_nothing(tmp_path, checkpoint, photograph, capsys, place):
    broken = photograph.parent / {"first": "a.jpg", "last": "z.jpg"}[place]
    broken.write_bytes(photograph.read_bytes()[:200])
    assert run("detect", checkpoint, photograph.parent, "--out", tmp_path / "a") == 1
    error = capsys.readouterr().err
    assert f"1 of 2 images cannot be read, the first {broken}" in error and "of the others are in" in error
    assert run("detect", checkpoint, photograph.parent, "--out", tmp_path / "b", "--on-corrupt", "skip") == 0
    assert "1 unreadable image skipped" in capsys.readouterr().out
    for out in ("a", "b"):
        assert names_in(tmp_path / out / "detections.json") == ["hopper.jpg"]
        assert (tmp_path / out / "hopper.png").exists()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(50), "it is HEIC, which is not read: convert it to JPEG or PNG"),
        ("a.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(50), "it is none of JPEG, PNG"),
        ("a.jpg", b"", "it is none of JPEG, PNG"),
    ],
)
def test_what_is_no_picture_we_read_is_refused_in_a_sentence(tmp_path, checkpoint, capsys, name, content, told):
    file = tmp_path / "photos" / name
    file.parent.mkdir()
    file.write_bytes(content)
    for words in ([file], [file.parent], [file, "--on-corrupt", "skip"]):
        assert run("detect", checkpoint, *words, "--out", tmp_path / "out") == 1
        assert told in capsys.readouterr().err


def test_too_many_pixels_need_an_option(tmp_path, checkpoint, capsys):
    file = grey(tmp_path / "photos" / "a.png", (90, 100))
    words = ["detect", checkpoint, file, "--out", tmp_path / "out", "--max-pixels"]
    assert run(*words, 8999) == 1
    assert "it has 9,000 pixels, more than the 8,999" in capsys.readouterr().err
    assert run(*words, 9000) == 0


def test_a_photograph_is_turned_as_its_camera_asks(tmp_path, checkpoint):
    tag = Image.Exif()
    tag[274] = 6
    file = grey(tmp_path / "photos" / "a.jpg", (64, 48), exif=tag)
    assert run("detect", checkpoint, file, "--out", tmp_path / "out") == 0
    (image,) = json.loads((tmp_path / "out" / "detections.json").read_text())["images"]
    assert (image["width"], image["height"]) == (48, 64) == Image.open(tmp_path / "out" / "a.png").size


def test_what_is_written_but_not_drawn_is_told(tmp_path, checkpoint, photograph, capsys):
    assert run("detect", checkpoint, photograph, "--out", tmp_path, "--threshold", "1", "--format", "csv") == 0
    lines = len((tmp_path / "detections.csv").read_text().splitlines()) - 1
    assert f"0 detections on 1 image: {tmp_path} (and {lines} detections below 1, written" in capsys.readouterr().out
    assert run("evaluate", "--detections", tmp_path / "detections.csv", "--data", "shapes") == 1
    assert "detections.csv is no JSON: fcos-edu detect --format coco writes what is read" in capsys.readouterr().err


def test_an_address_is_refused(tmp_path, checkpoint, capsys):
    assert run("detect", checkpoint, "https://a.example/b.jpg", "--out", tmp_path / "out") == 1
    assert "https://a.example/b.jpg is an address: download the picture or video first" in capsys.readouterr().err


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt, 130), (MemoryError, 1)])
def test_an_interruption_keeps_what_was_found(tmp_path, checkpoint, folder, monkeypatch, stop, code):
    plain = detect_file.read

    def interrupted(file, limit):
        if file.name == "d.png":
            raise stop
        return plain(file, limit)

    monkeypatch.setattr(detect_file, "read", interrupted)
    assert run("detect", checkpoint, folder, "--out", tmp_path / "out") == code
    assert names_in(tmp_path / "out" / "detections.json") == READ[:3]
    assert (tmp_path / "out" / "c.png").exists() and not list((tmp_path / "out").glob("*.part"))
    monkeypatch.setattr(detect_file, "read", lambda *_: (_ for _ in ()).throw(stop))
    assert run("detect", checkpoint, folder, "--out", tmp_path / "out") == code
    assert names_in(tmp_path / "out" / "detections.json") == READ[:3]  # not replaced by nothing


def test_the_json_is_whole_at_any_time(tmp_path, checkpoint, folder, monkeypatch):
    """Seen by another process: as each further picture begins, the earlier ones are in the file."""
    seen = []
    plain = detect_file.read

    def looking(file, limit):
        target = tmp_path / "out" / "detections.json"
        seen.append(names_in(target) if target.exists() else [])
        return plain(file, limit)

    monkeypatch.setattr(detect_file, "read", looking)
    clock = iter(range(0, 10**6, 10**3))  # each look at the clock is long after the one before
    monkeypatch.setattr(detected.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(detected.Results, "pause", property(lambda self: 1.0, lambda self, value: None), raising=False)
    assert run("detect", checkpoint, folder, "--out", tmp_path / "out") == 0
    assert seen == [READ[:n] for n in range(8)]


@pytest.mark.skipif(not hasattr(signal, "SIGCHLD"), reason="there torch looks for them only while it waits")
def test_a_process_that_is_killed_while_a_picture_is_drawn_is_told(tmp_path, checkpoint, folder, monkeypatch, capsys):
    plain, done = detect_file.drawn, []

    def killing(*given):
        done.append(given)
        if len(done) == 3:
            multiprocessing.active_children()[0].kill()
            time.sleep(0.5)
        return plain(*given)

    monkeypatch.setattr(processes, "_cores", lambda: 64)
    monkeypatch.setattr(detect_file, "drawn", killing)
    assert run("detect", checkpoint, folder, "--workers", 1, "--out", tmp_path / "out") == 1
    assert "a process that loads images is killed by signal: Killed" in capsys.readouterr().err
    assert names_in(tmp_path / "out" / "detections.json") == READ[:2]


def test_of_one_picture_the_detector_stays_where_it_has_all_threads(tmp_path, checkpoint, photograph, monkeypatch):
    plain, seen = detect_file.drawn, []
    monkeypatch.setattr(processes, "_cores", lambda: 2)
    monkeypatch.setattr(detect_file, "drawn", lambda *given: seen.append(os.getpid()) or plain(*given))
    assert run("detect", checkpoint, photograph, "--workers", 2, "--out", tmp_path / "out") == 0
    assert seen == [os.getpid()]


@pytest.mark.parametrize("cores", [2, 64])
def test_processes_change_no_byte(tmp_path, checkpoint, folder, capsys, monkeypatch, one_thread, cores):
    """Pictures, boxes, what is skipped and what is told are those of one process, whether others load or detect."""
    monkeypatch.setattr(processes, "_cores", lambda: cores)
    (folder / "bad.jpg").write_bytes(b"\xff\xd8")
    told = []
    for workers in (0, 2):
        out = tmp_path / f"out{workers}"
        assert run("detect", checkpoint, folder, "--out", out, "--on-corrupt", "skip", "--workers", workers) == 0
        told.append([text.replace(str(out), "OUT") for text in capsys.readouterr()])
    assert "8 images, 1 unreadable image skipped" in told[0][0] and "not read: " in told[0][1]
    assert told[1][0] == told[0][0]
    reasons = [re.findall(r"not read: .*", error) for _, error in told]
    assert reasons[0] == reasons[1] and len(reasons[0]) == 1
    files = [{p.name: p.read_bytes() for p in (tmp_path / f"out{n}").glob("[!.]*")} for n in (0, 2)]
    assert files[0] == files[1] and len(files[0]) == 9  # the list of own files has each state of the JSON too
