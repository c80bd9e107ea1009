"""What we wrote may be written again; what anybody else made stays, whatever its name."""

import os

import pytest

from fcos_edu.ownership import LIST, OwnFiles


def test_a_second_run_replaces_what_the_first_wrote(tmp_path):
    folder = tmp_path / "new" / "out"
    OwnFiles(folder).write("images/a.png", b"one")
    own = OwnFiles(folder)
    assert own.may_write("images/a.png")
    assert own.write("images/a.png", b"two") == folder / "images" / "a.png"
    assert (folder / "images" / "a.png").read_bytes() == b"two"
    own.write("images/a.png", b"one")  # and back
    assert OwnFiles(folder).may_write("images/a.png")


@pytest.mark.parametrize("kind", ["file", "folder", "link", "link to nothing", "changed", "of another name"])
def test_what_is_the_users_stays(tmp_path, kind):
    mine = tmp_path / "mine.png"
    mine.write_bytes(b"the user's")
    folder = tmp_path / "out"
    OwnFiles(folder).write("b.png", b"ours")
    target = folder / "a.png"
    if kind == "file":
        target.write_bytes(b"the user's")
    elif kind == "folder":
        target.mkdir()
    elif kind == "link":
        target.symlink_to(mine)
    elif kind == "link to nothing":
        target.symlink_to(tmp_path / "nothing")
    elif kind == "of another name":  # the same content as a file of ours is none of ours
        target.write_bytes(b"ours")
    else:
        OwnFiles(folder).write("a.png", b"ours")
        target.write_bytes(b"the user's, who has changed it")
    before = os.readlink(target) if target.is_symlink() else target.is_file() and target.read_bytes()
    own = OwnFiles(folder)
    assert not own.may_write("a.png") and own.may_write("b.png") and own.may_write("c.png")
    for refuse in (lambda: own.check("c.png", "a.png"), lambda: own.write("a.png", b"new")):
        with pytest.raises(FileExistsError, match=r"a\.png is there, and not as fcos-edu wrote it: it is not replaced"):
            refuse()
    assert before == (os.readlink(target) if target.is_symlink() else target.is_file() and target.read_bytes())
    assert mine.read_bytes() == b"the user's" and not (tmp_path / "nothing").exists()


def test_all_that_stand_in_the_way_are_counted(tmp_path):
    for name in "abc":
        (tmp_path / name).touch()
    with pytest.raises(FileExistsError, match=r"a \(and 2 more\) is there"):
        OwnFiles(tmp_path).check("a", "b", "c", "d")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]  # nothing was written


def test_a_process_that_is_killed_leaves_no_file_that_the_next_takes_for_the_users(tmp_path, monkeypatch):
    """Killed with the line written and the file not, or not in its place; or in the middle of the line."""
    OwnFiles(tmp_path).write("a", b"one")
    with monkeypatch.context() as patch:
        patch.setattr("fcos_edu.ownership.atomic_write", lambda *_: None)
        OwnFiles(tmp_path).write("a", b"two")
    assert (tmp_path / "a").read_bytes() == b"one" and OwnFiles(tmp_path).may_write("a")
    with open(tmp_path / LIST, "a") as file:
        file.write('{"name": "b", "sha')
    for text in (b"three", b"four"):
        OwnFiles(tmp_path).write("a", text)
    own = OwnFiles(tmp_path)
    assert own.may_write("a") and set(own.digests) == {"a"} and len(own.digests["a"]) == 4


@pytest.mark.parametrize("text", ["my notes\n", "[]\n", '{"name": 3}\n', '{"name": [], "sha256": ""}\n', "\xff\n"])
def test_a_list_of_another_program_is_refused(tmp_path, text):
    (tmp_path / LIST).write_text(text, "latin-1")
    with pytest.raises(FileExistsError, match="is no list of files that fcos-edu wrote"):
        OwnFiles(tmp_path)
    assert (tmp_path / LIST).read_text("latin-1") == text


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(NotADirectoryError, match="out is there and is no folder"):
        OwnFiles(tmp_path / "out")


def test_names_may_have_anything_in_them(tmp_path):
    names = ["a\nb.png", "ä ö.png", os.fsdecode(b"\xff.png"), '"quoted".png']
    for name in names:
        OwnFiles(tmp_path).write(name, b"1")
    own = OwnFiles(tmp_path)
    assert all(own.may_write(name) for name in names) and set(own.digests) == set(names)
    assert len((tmp_path / LIST).read_text("ascii").splitlines()) == len(names)


def test_a_file_that_grew_beside_its_place_is_ours_and_takes_no_place_of_the_users(tmp_path):
    own = OwnFiles(tmp_path / "out")
    made = own.beside("deep/film.mp4")
    assert made.parent == tmp_path / "out" / "deep" and made != own.beside("deep/film.mp4")
    for content in (b"one", b"two" * 1_000_000):
        made.write_bytes(content)
        assert own.place("deep/film.mp4", made) == tmp_path / "out" / "deep" / "film.mp4" and not made.exists()
        assert (tmp_path / "out" / "deep" / "film.mp4").read_bytes() == content
    assert OwnFiles(tmp_path / "out").may_write("deep/film.mp4")
    (tmp_path / "out" / "deep" / "film.mp4").write_bytes(b"the user's")
    made.write_bytes(b"three")
    with pytest.raises(FileExistsError, match="it is not replaced"):
        own.place("deep/film.mp4", made)
    assert (tmp_path / "out" / "deep" / "film.mp4").read_bytes() == b"the user's" and made.read_bytes() == b"three"


def test_files_that_commands_write_are_known_by_their_content(tmp_path):
    from PIL import Image

    from fcos_edu import FCOS, FCOSConfig, records
    from fcos_edu.ownership import looks_ours, with_mark

    path = tmp_path / "a"
    for content in (b"", b"\n", b'{"AP": 0.5, "AP50": 0.5, "AP75": 0.5, "more": []}'):
        path.write_bytes(content)
        assert looks_ours(path)
    records.record(path, what="x", command="y", metrics={"AP": 1}, data="z")
    assert looks_ours(path)
    Image.new("RGB", (3, 2), (9, 8, 7)).save(path, "png")
    before = path.read_bytes()
    assert not looks_ours(path)
    path.write_bytes(with_mark(before))
    assert looks_ours(path)
    with Image.open(path) as picture:  # its parts and their sums are right
        picture.load()
        assert picture.getpixel((0, 0)) == (9, 8, 7) and picture.info["Software"] == "fcos-edu"
    FCOS(FCOSConfig.tiny(num_classes=2)).save(path)
    assert looks_ours(path)
    for content in (b"text", b"{}", b"[]", b'{"images": [], "annotations": []}', b'{"what": 1', b"[" * 10**5, b"{" * 9):
        path.write_bytes(content)
        assert not looks_ours(path)
    assert all(looks_ours(file) for file in records.RESULTS.glob("*.json"))


def test_a_folder_that_cannot_be_written_is_told_by_the_name_of_the_file(tmp_path):
    (tmp_path / "file").write_text("x")
    own = OwnFiles(tmp_path / "file" / "out")
    with pytest.raises(OSError, match="cannot write .*/file/out/a.png: "):
        own.write("a.png", b"x")
