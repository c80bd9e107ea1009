"""Files are what they say, or are refused before anything in them is used."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fcos_edu.integrity import CheckpointError, check_named_hash, hash_in_name, sha256


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_sha256_is_that_of_the_content(tmp_path: Path, size: int) -> None:
    content = bytes(i % 251 for i in range(size))
    (tmp_path / "x").write_bytes(content)
    assert sha256(tmp_path / "x") == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("resnet50-0676ba61.pth", "0676ba61"),
        ("fcos_resnet50_fpn_coco-99b0c9b7.pth", "99b0c9b7"),
        ("fcos_resnet50_fpn_coco.pth", None),
        ("run-12.pth", None),  # too short for a hash
        ("resnet50-0676ba61", None),
    ],
)
def test_the_hash_in_a_name(name: str, want: str | None) -> None:
    assert hash_in_name(name) == want


def test_a_name_is_kept_to(tmp_path: Path) -> None:
    good = tmp_path / f"x-{hashlib.sha256(b'content').hexdigest()[:8]}.pth"
    good.write_bytes(b"content")
    check_named_hash(good)
    good.write_bytes(b"Content")
    with pytest.raises(CheckpointError, match=r"its sha256 begins with \w{8}, where its name says \w{8}$"):
        check_named_hash(good)
    (tmp_path / "no_hash.pth").write_bytes(b"anything")
    check_named_hash(tmp_path / "no_hash.pth")
    with pytest.raises(CheckpointError, match="is no regular file"):
        check_named_hash(tmp_path)
