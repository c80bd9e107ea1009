"""Videos frame by frame: every kind that tests can make, and those that are cut off, damaged, or none."""

import builtins
import struct
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

from fcos_edu.data import videos
from fcos_edu.data.videos import Video, VideoError, VideoWriter, is_video

av = pytest.importorskip("av")

KINDS = {
    "a.mp4": "libx264",
    "a.mkv": "libx264",
    "a.avi": "mpeg4",
    "a.webm": "libvpx-vp9",
    "a.mov": "mpeg4",
    "a.ts": "mpeg2video",
}


def film(path, count=12, *, codec=None, size=(64, 48), times=None, rotation=None, sound=False, key=250):
    """A bar that moves to the right below a red corner at the upper left; ``times`` in seconds."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec or KINDS.get(path.name, "libx264"), rate=25, options={"g": str(key)})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if rotation is not None:
            stream.set_display_rotation(rotation)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        other = out.add_stream("aac", rate=16_000, layout="mono") if sound else None
        for i in range(count):
            pixels = np.full((size[1], size[0], 3), 30, np.uint8)
            pixels[:16, :16] = 255, 0, 0
            pixels[24:, 4 * i : 4 * i + 8] = 255
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(1000 * times[i]), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if other is not None:
            heard = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            heard.sample_rate = 16_000
            out.mux(other.encode(heard))
            out.mux(other.encode())
    return path


def read(path, every=1, **options):
    with Video(path, **options) as video:
        return list(video.frames(every)), video


def bar_at(pixels):
    """Where the bar begins, in pixels."""
    bright = pixels.float().mean(0)[-8:].mean(0) > 128
    return int(bright.nonzero()[0, 0])


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_of_every_kind_comes_once_and_in_order(tmp_path, name):
    frames, video = read(film(tmp_path / name))
    assert [frame.number for frame in frames] == list(range(12)) and video.fault == "" and is_video(name)
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(12) / 25, atol=2e-3)
    for frame in frames:
        assert frame.pixels.shape == (3, 48, 64) and frame.pixels.dtype == torch.uint8
        assert abs(bar_at(frame.pixels) - 4 * frame.number) <= 1
        assert frame.pixels[0, 4, 4] > 200 and frame.pixels[1:, 4, 4].max() < 60  # red, green and blue, in this order


def test_a_step_leaves_frames_out_and_keeps_the_times_of_the_others(tmp_path):
    times = [0.0, 0.04, 0.08, 0.5, 0.54, 1.9, 1.94, 2.0, 2.04, 2.08, 2.12, 3.0]  # as screen recordings have them
    path = film(tmp_path / "a.mp4", times=times)
    every = read(path)[0]
    np.testing.assert_allclose([frame.seconds for frame in every], times, atol=1e-3)
    some = read(path, every=5)[0]
    assert [frame.number for frame in some] == [0, 5, 10]
    for frame in some:
        assert frame.seconds == every[frame.number].seconds and torch.equal(frame.pixels, every[frame.number].pixels)
    with pytest.raises(ValueError, match="every is 0"):
        read(path, every=0)


@pytest.mark.parametrize(("rotation", "corner"), [(90, (-4, 4)), (-90, (4, -4)), (180, (-4, -4)), (0, (4, 4))])
def test_a_film_that_was_taken_lying_stands_upright(tmp_path, rotation, corner):
    """The angle is against the clock; the red corner at the upper left goes along."""
    if not hasattr(av.video.stream.VideoStream, "set_display_rotation"):
        pytest.skip("this PyAV reads rotations, and cannot write them")
    frames, _ = read(film(tmp_path / "a.mp4", rotation=rotation))
    pixels = frames[0].pixels
    assert pixels.shape == ((3, 64, 48) if rotation in (90, -90) else (3, 48, 64))
    assert pixels[0, corner[0], corner[1]] > 200 and pixels[1, corner[0], corner[1]] < 60


@pytest.mark.parametrize(
    ("matrix", "corner", "bar"),
    [
        ((1, 0, 0, 1), (4, 4), (40, 4)),
        ((-1, 0, 0, 1), (4, -4), (40, -4)),  # mirrored, as front cameras do
        ((1, 0, 0, -1), (-4, 4), (-40, 4)),
        ((-1, 0, 0, -1), (-4, -4), (-40, -4)),
        ((0, 1, 1, 0), (4, 4), (4, 40)),  # mirrored, and turned
        ((0, 1, -1, 0), (4, -4), (4, -40)),
        ((0, -1, 1, 0), (-4, 4), (-4, 40)),
        ((0, -1, -1, 0), (-4, -4), (-4, -40)),
    ],
)
def test_a_film_is_shown_as_its_matrix_says(tmp_path, matrix, corner, bar):
    """x' = a x + c y and y' = b x + d y, from the corner of what is seen; the track's header has the numbers."""
    path = film(tmp_path / "a.mp4")
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 44  # past type, version, times, number, duration, layer, group and volume
    a, b, c, d = matrix
    assert struct.unpack(">9i", content[start : start + 36]) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    content[start : start + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    pixels = read(path)[0][0].pixels
    assert pixels.shape == ((3, 48, 64) if a else (3, 64, 48))
    assert pixels[0, corner[0], corner[1]] > 200 and pixels[1, corner[0], corner[1]] < 60  # red
    assert pixels[:, bar[0], bar[1]].min() > 200  # white, below the red corner in the stored picture


def test_sound_is_not_looked_at(tmp_path):
    assert len(read(film(tmp_path / "a.mp4", sound=True))[0]) == 12


def test_a_film_that_is_cut_off_gives_what_is_there_and_says_so(tmp_path):
    for name, part in (("a.mkv", 0.6), ("a.avi", 0.6)):
        whole = film(tmp_path / name, 100, key=10)
        content = whole.read_bytes()
        whole.write_bytes(content[: int(part * len(content))])
        frames, video = read(whole)
        assert 10 < len(frames) < 90 and "as if it were cut off" in video.fault, name
    headed = film(tmp_path / "b.mp4", 100, key=10)
    moved = tmp_path / "c.mp4"  # the table of its frames first, as for the web
    with av.open(str(headed)) as source, av.open(str(moved), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    moved.write_bytes(moved.read_bytes()[: int(0.7 * moved.stat().st_size)])
    frames, video = read(moved)
    assert 10 < len(frames) < 99 and "it ends after " in video.fault and "of 4.0 seconds" in video.fault


def test_a_damaged_part_is_passed_over_and_told(tmp_path):
    path = film(tmp_path / "a.mp4", 60, key=5)
    content = bytearray(path.read_bytes())
    begin = content.index(b"mdat") + len(content) // 3
    content[begin : begin + 400] = bytes(400)
    path.write_bytes(content)
    frames, video = read(path)
    assert 30 < len(frames) <= 60 and "damaged part" in video.fault


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.mp4", b"", "it is no video of a known kind; it is empty"),
        ("a.mp4", bytes(range(256)) * 40, "it is no video of a known kind, or its beginning or end is missing"),
        ("a.mp4", "moov", "it is no video of a known kind, or its beginning or end is missing"),
        ("a.ts", b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/x.ts\n", "it is no video of a known kind"),
        ("a.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n", "it is no video of a known kind"),
        ("a.mp4", b"<?xml version='1.0'?><MPD><BaseURL>http://127.0.0.1:9/</BaseURL></MPD>", "it is no video"),
    ],
)
def test_what_is_no_video_is_refused_in_a_sentence(tmp_path, name, content, told):
    """An MP4 whose table of frames, at its end, was cut off; and lists of addresses, which nobody follows."""
    path = tmp_path / name
    if content == "moov":
        content = film(tmp_path / "b.mp4", 50).read_bytes()[:-600]
    path.write_bytes(content)
    with pytest.raises(VideoError, match=told):
        read(path)


def test_sound_alone_and_pipes_and_large_frames_are_refused(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        stream = out.add_stream("aac", rate=16_000, layout="mono")
        heard = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        heard.sample_rate = 16_000
        out.mux([*stream.encode(heard), *stream.encode()])
    with pytest.raises(VideoError, match="it has sound and no pictures"):
        read(tmp_path / "a.mp4")
    with pytest.raises(VideoError, match="its frames have 3,072 pixels, more than the 3,071 .* max_pixels=3072"):
        read(film(tmp_path / "b.mp4"), max_pixels=3071)
    assert len(read(tmp_path / "b.mp4", max_pixels=3072)[0]) == 12
    with pytest.raises(VideoError, match="it is no regular file"):
        read(tmp_path)


def test_without_pyav_the_message_names_the_extra(tmp_path, monkeypatch):
    path, plain = film(tmp_path / "a.mp4"), builtins.__import__

    def without(name, *more, **named):
        if name == "av":
            raise ImportError("No module named 'av'")
        return plain(name, *more, **named)

    monkeypatch.delitem(sys.modules, "av")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(VideoError, match=r'videos need the package PyAV: pip install "fcos-edu\[video\]"'):
        Video(path)


@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_what_is_written_is_read_again_at_its_times(tmp_path, size):
    """Odd sides too, and a frame of another size between the others."""
    times = [0.0, 0.2, 0.25, 1.0, 1.0, 2.5]
    writer = VideoWriter(tmp_path / "a.part", 2.0)
    for i, seconds in enumerate(times):
        other = (32, 200) if i == 3 else size
        writer.add(Image.new("RGB", other, (40 * i, 255 - 40 * i, 90)), seconds)
    writer.close()
    writer.close()
    path = (tmp_path / "a.part").rename(tmp_path / "a.mp4")
    frames, video = read(path)
    assert len(frames) == 6 and video.fault == "" and frames[0].pixels.shape == (3, 48, 64)
    np.testing.assert_allclose([frame.seconds for frame in frames], times, atol=2e-3)
    for i in (0, 1, 2, 4, 5):
        assert frames[i].pixels[:, 20, 30].float().sub(torch.tensor([40.0 * i, 255 - 40 * i, 90])).abs().max() < 12
    assert videos.needed() is av


def test_names_of_videos():
    assert is_video("A.MP4") and is_video("b/c.mov") and not is_video("a.gif") and not is_video("._a.mp4")
