"""``fcos-edu detect`` on videos: what it leaves, frame by frame, however it ends."""

import csv
import json

import numpy as np
import pytest
import torch

from fcos_edu.cli import detect_video
from fcos_edu.data.videos import Video, VideoWriter
from fcos_edu.detections import find
from fcos_edu.detectors import load
from fcos_edu.drawing import draw_detections
from fcos_edu.evaluation import written_detections
from fcos_edu.ownership import OwnFiles
from tests.cli.calls import run
from tests.data.test_videos import film


@pytest.fixture
def clip(tmp_path):
    (tmp_path / "in").mkdir()
    return film(tmp_path / "in" / "clip.mp4", 7, size=(96, 72))


def names_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name[0] != ".")


def test_each_frame_is_that_of_a_picture_with_its_time(tmp_path, checkpoint, clip, capsys):
    out = tmp_path / "out"
    assert run("detect", checkpoint, clip, "--out", out, "--every", 3, "--threshold", 0.05) == 0
    assert names_in(out) == ["clip.json", "clip.mp4"]
    document, model = json.loads((out / "clip.json").read_text()), load(checkpoint)
    assert document["video"] == str(clip) and document["classes"] == list(model.config.class_names)
    assert [one["frame"] for one in document["frames"]] == [0, 3, 6]
    above, drawn = 0, []
    with Video(clip) as video:
        for frame, entry in zip(video.frames(3), document["frames"], strict=True):
            found = find(model, frame.pixels)
            assert len(found["scores"]) > 10
            assert entry["seconds"] == frame.seconds and (entry["width"], entry["height"]) == (96, 72)
            told = [(one["label"], one["score"], *one["box"]) for one in entry["detections"]]
            expected = torch.cat([found["labels"][:, None], found["scores"][:, None], found["boxes"]], dim=1)
            np.testing.assert_allclose(told, expected, atol=0.0051)
            assert all(one["class"] == document["classes"][one["label"]] for one in entry["detections"])
            shown = found["scores"] >= 0.05
            above += int(shown.sum())
            picture = draw_detections(frame.pixels, {k: v[shown] for k, v in found.items()}, document["classes"])
            drawn.append((frame.pixels.float(), picture.float()))
    with Video(out / "clip.mp4") as video:
        for frame, (plain, expected) in zip(video.frames(), drawn, strict=True):
            assert abs(frame.seconds - 0.04 * 3 * frame.number) < 0.002
            written = frame.pixels.float()  # it was compressed
            assert (written - expected).abs().mean() < 0.5 * (written - plain).abs().mean()
    assert f"{above} detections on 3 frames of {clip}: {out / 'clip.mp4'} and clip.json" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["json", "csv", "coco", "yolo"])
def test_frames_as_pictures_and_every_format(tmp_path, checkpoint, clip, form):
    out = tmp_path / "out"
    for _ in range(2):  # again: what is there is ours
        assert run("detect", checkpoint, clip, "--out", out, "--every", 4, "--frames", "--format", form) == 0
    drawn = ["clip/000000.png", "clip/000004.png"]
    if form == "yolo":
        assert names_in(out) == [*drawn, "labels/classes.txt", "labels/clip/000000.txt", "labels/clip/000004.txt"]
        assert all(len(line.split()) == 6 for line in (out / "labels/clip/000004.txt").read_text().splitlines())
    else:
        file = out / f"clip.{'csv' if form == 'csv' else 'json'}"
        assert names_in(out) == sorted([*drawn, file.name])
        if form == "csv":
            rows = list(csv.DictReader(file.read_text().splitlines()))
            assert {(row["filename"], row["frame"], row["seconds"]) for row in rows} == {
                (drawn[0], "0", "0.0"),
                (drawn[1], "4", "0.16"),
            }
        elif form == "coco":
            document = json.loads(file.read_text())
            assert [(i["file_name"], i["video"], i["frame"]) for i in document["images"]] == [
                (drawn[0], str(clip), 0),
                (drawn[1], str(clip), 4),
            ]
            assert {a["image_id"] for a in document["annotations"]} == {1, 2}


def test_pictures_and_films_of_one_call_and_names_that_are_taken(tmp_path, checkpoint, clip, photograph, capsys):
    """Beside the film itself, a result takes another name, in a second run the same; a film of a folder is told of."""
    before = clip.read_bytes()
    (clip.parent / "clip-2.json").write_text("the user's")
    for _ in range(2):
        assert run("detect", checkpoint, clip, photograph, "--out", clip.parent, "--every", 6) == 0
        assert clip.read_bytes() == before and (clip.parent / "clip-2.json").read_text() == "the user's"
        assert names_in(clip.parent) == [
            "clip-2.json", "clip-3.json", "clip-3.mp4", "clip.mp4", "detections.json", "hopper.png"
        ]  # fmt: skip
        assert len(json.loads((clip.parent / "detections.json").read_text())["images"]) == 1
    capsys.readouterr()
    film(photograph.parent / "other.mp4", 2)
    assert run("detect", checkpoint, photograph.parent, "--out", tmp_path / "b") == 0
    assert "passed over: 1 video, which is read if you name it" in capsys.readouterr().err
    detections = clip.rename(clip.parent / "detections.mp4")
    assert run("detect", checkpoint, detections, photograph, "--out", tmp_path / "c", "--every", 6) == 0
    assert names_in(tmp_path / "c") == ["detections-2.json", "detections-2.mp4", "detections.json", "hopper.png"]


@pytest.mark.parametrize("form", ["json", "csv", "coco"])
def test_an_interruption_keeps_what_was_found(tmp_path, checkpoint, clip, monkeypatch, capsys, form):
    plain, calls = find, []

    def interrupted(model, pixels):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return plain(model, pixels)

    monkeypatch.setattr("fcos_edu.detections.find", interrupted)
    out = tmp_path / "out"
    assert run("detect", checkpoint, clip, "--out", out, "--format", form) == 130
    assert "on 3 frames of " in capsys.readouterr().err
    file = out / f"clip.{'csv' if form == 'csv' else 'json'}"
    assert names_in(out) == sorted([file.name, "clip.mp4"]) and not list(out.glob(".*.part"))
    text = file.read_text()
    if form == "csv":
        assert {row["frame"] for row in csv.DictReader(text.splitlines())} == {"0", "1", "2"}
    else:
        assert len(json.loads(text)["images" if form == "coco" else "frames"]) == 3
    with Video(out / "clip.mp4") as video:
        assert len(list(video.frames())) == 3
    calls.extend([1, 1])
    calls[:] = calls[:3]  # the very first frame is interrupted: what was found before stays
    assert run("detect", checkpoint, clip, "--out", out, "--format", form) == 130
    assert file.read_text() == text and not list(out.glob(".*.part"))


def test_films_that_cannot_be_read_end_nothing(tmp_path, checkpoint, clip, capsys):
    bad = clip.parent / "bad.mp4"
    bad.write_bytes(clip.read_bytes()[:200])
    out = tmp_path / "out"
    assert run("detect", checkpoint, bad, clip, "--out", out, "--every", 5) == 1
    error = capsys.readouterr().err
    assert "1 of 2 files cannot be read as a whole, the first " in error and "no video of a known kind" in error
    assert names_in(out) == ["clip.json", "clip.mp4"]
    assert run("detect", checkpoint, bad, clip, "--out", out, "--every", 5, "--on-corrupt", "skip") == 0
    assert f"not read: {bad} (it is no video of a known kind" in capsys.readouterr().err
    assert run("detect", checkpoint, bad, "--out", tmp_path / "b", "--on-corrupt", "skip") == 1
    assert run("detect", checkpoint, clip, "--out", tmp_path / "b", "--max-pixels", 100) == 1
    assert "allow them with --max-pixels 6912" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_a_film_whose_end_is_missing_leaves_what_was_found_and_says_so(tmp_path, checkpoint, capsys):
    path = film(tmp_path / "cut.mkv", 60, key=10)
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    for words, code in ((), 1), (("--on-corrupt", "skip"), 0):
        assert run("detect", checkpoint, path, "--out", tmp_path / "out", "--every", 10, *words) == code
        out, err = capsys.readouterr()
        assert "as if it were cut off" in err and "frames of " in out
        assert json.loads((tmp_path / "out" / "cut.json").read_text())["frames"]


def test_every_file_takes_its_place_as_a_whole(tmp_path, checkpoint, clip, monkeypatch):
    """While frames come, there are only files that grow beside their places."""
    out, plain, seen = tmp_path / "out", VideoWriter.add, []

    def looking(self, picture, seconds):
        seen.append((names_in(out) if out.exists() else [], len(list(out.glob(".*.part")))))
        plain(self, picture, seconds)

    monkeypatch.setattr(VideoWriter, "add", looking)
    assert run("detect", checkpoint, clip, "--out", out, "--every", 3) == 0
    assert (
        seen[0][0] == []
        and [names for names, _ in seen[1:]] == [[], []]
        and seen[2][1]
        and names_in(out) == ["clip.json", "clip.mp4"]
    )
    assert OwnFiles(out).may_write("clip.mp4") and OwnFiles(out).may_write("clip.json")


def test_nothing_is_kept_of_a_frame(tmp_path, checkpoint, clip, monkeypatch):
    """What the results hold after a thousand frames is what they held after one, but for COCO's list of images."""
    import weakref

    kept, plain = [], written_detections.Seen

    def noted(*arguments):
        kept.append(weakref.ref(made := plain(*arguments)))
        return made

    monkeypatch.setattr(written_detections, "Seen", noted)
    alive = []
    add = detect_video.VideoResults.add

    def counting(self, frame, found):
        add(self, frame, found)
        alive.append(sum(ref() is not None for ref in kept))

    monkeypatch.setattr(detect_video.VideoResults, "add", counting)
    assert run("detect", checkpoint, clip, "--out", tmp_path / "out") == 0
    assert alive == [0] * 7
