"""Files of every kind, read and written unchanged: the same frames, times, sound, rotation, aspect and colours."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from realtime.media.probe import probe
from realtime.media.reader import VideoReader
from realtime.media.writer import VideoWriter
from tests.clips import REAL_CLIPS, Clip, audio_packets, decoded, psnr, scene, sound_start
from tests.media.helpers import faults, identity

HIGH = 8
"""A CRF at which a second encoding of smooth pictures stays above 40 dB."""

VFR = [0, 512, 900, 1100, 4000, 4100, 9000, 9001 + 512, 22000, 22600, 23000, 41000]


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv", "ts"])
def test_plain(tmp_path: Path, extension: str) -> None:
    source = Clip(tmp_path / "a.mp4", audio=["aac"], color=(1, 1, 1, 1)).make()
    target = tmp_path / f"b.{extension}"
    summary = identity(source, target, quality=HIGH)
    # MPEG-TS gives each AAC packet a header of its own.
    assert faults(source, target, same_audio=extension != "ts") == []
    assert (summary.frames, summary.audio_streams, summary.encoder) == (24, 1, "libx264")
    assert summary.converted == summary.dropped == []


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_variable_frame_rate(tmp_path: Path, extension: str) -> None:
    source = Clip(tmp_path / "a.mp4", times=VFR, audio=["aac"]).make()
    target = tmp_path / f"b.{extension}"
    identity(source, target, quality=HIGH)
    assert faults(source, target) == []


def test_last_frame_keeps_its_duration(tmp_path: Path) -> None:
    """FFmpeg's own durations of MP4 count decoding times; the movie header tells what a player shows."""
    source = Clip(tmp_path / "a.mp4", times=VFR, rate=2, options={"bf": "0"}).make()
    identity(source, tmp_path / "b.mp4")
    for path in (source, tmp_path / "b.mp4"):
        data = path.read_bytes()
        where = data.index(b"mvhd") + 16
        scale, length = struct.unpack(">II", data[where : where + 8])
        assert length / scale == pytest.approx((VFR[-1] + 6400) / 12800, abs=0.002)


def test_two_tracks_with_languages(tmp_path: Path) -> None:
    source = Clip(tmp_path / "a.mp4", audio=["aac", "aac"], languages=["fra", "deu"]).make()
    identity(source, tmp_path / "b.mp4", quality=HIGH)
    assert faults(source, tmp_path / "b.mp4") == []
    assert [a.language for a in probe(tmp_path / "b.mp4").audio] == ["fra", "deu"]


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_rotation(tmp_path: Path, degrees: int, extension: str) -> None:
    source = Clip(tmp_path / "a.mp4", setup=lambda _, v: v.set_display_rotation(degrees)).make()
    target = tmp_path / f"b.{extension}"
    identity(source, target, quality=HIGH)
    assert abs(probe(source).rotation) == abs(degrees)
    assert faults(source, target) == []


def test_mirrored(tmp_path: Path) -> None:
    source = Clip(tmp_path / "a.mp4", setup=lambda _, v: v.set_display_rotation(90, hflip=True)).make()
    identity(source, tmp_path / "b.mp4")
    assert probe(source).display_matrix == probe(tmp_path / "b.mp4").display_matrix
    assert probe(source).display_matrix is not None


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_pixel_aspect(tmp_path: Path, extension: str) -> None:
    def setup(_: Any, video: Any) -> None:
        video.codec_context.sample_aspect_ratio = Fraction(4, 3)

    source = Clip(tmp_path / "a.mp4", setup=setup).make()
    identity(source, tmp_path / f"b.{extension}", quality=HIGH)
    assert faults(source, tmp_path / f"b.{extension}") == []
    assert probe(source).sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.parametrize("color", [(2, 5, 5, 6), (1, 9, 9, 18), (1, 1, 1, 13), (0, 2, 2, 2), (2, 1, 1, 1)])
@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_colour_tags(tmp_path: Path, color: tuple[int, int, int, int], extension: str) -> None:
    source = Clip(tmp_path / "a.mp4", color=color, frames=6).make()
    target = tmp_path / f"b.{extension}"
    identity(source, target, quality=HIGH)
    assert faults(source, target) == []
    a, b = decoded(source)[0], decoded(target)[0]
    for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
        assert getattr(a, name) == getattr(b, name), name


def test_odd_size_vp9(tmp_path: Path) -> None:
    clip = Clip(tmp_path / "a.webm", size=(97, 63), codec="libvpx-vp9", time_base=Fraction(1, 1000))
    clip.options = {"crf": "10", "deadline": "realtime", "cpu-used": "8"}
    source = clip.make()
    identity(source, tmp_path / "b.webm", quality=4)
    assert faults(source, tmp_path / "b.webm", quality=36) == []
    summary = identity(source, tmp_path / "b.mp4", quality=HIGH)
    frame = decoded(tmp_path / "b.mp4")[0]
    assert (frame.width, frame.height, frame.format.name) == (97, 63, "yuv444p")
    assert any("odd" in note for note in summary.notes)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "extension"),
    [
        ("libx264", "yuv420p10le", "mp4"),
        ("libx264", "yuv444p", "mp4"),
        ("libx264", "yuv422p", "mp4"),
        ("libx264", "gray", "mp4"),
        ("libx265", "yuv420p12le", "mp4"),
        ("ffv1", "bgr0", "mkv"),
        ("ffv1", "yuva420p", "mkv"),
        ("png", "rgb24", "mov"),
        ("mjpeg", "yuvj420p", "mov"),
        ("prores_ks", "yuv422p10le", "mov"),
        ("rawvideo", "nv12", "mkv"),
    ],
)
def test_pixel_formats(tmp_path: Path, codec: str, pix_fmt: str, extension: str) -> None:
    """Whatever a source stores, the copy shows the same colours."""
    clip = Clip(tmp_path / f"a.{extension}", codec=codec, pix_fmt=pix_fmt, frames=5, color=(1, 1, 1, 1))
    if extension == "mkv":
        clip.time_base = Fraction(1, 1000)
    if codec == "libx265":
        clip.options = {"crf": "8", "x265-params": "log-level=none"}
    if codec == "mjpeg":
        clip.color = (2, 5, 2, 2)
        clip.setup = lambda _, v: setattr(v.codec_context, "qmax", 3)
    if pix_fmt == "bgr0":
        clip.color = None
    source = clip.make()
    identity(source, tmp_path / "b.mp4", quality=2)
    pictures = decoded(tmp_path / "b.mp4")
    assert len(pictures) == 5
    for index, picture in enumerate(pictures):
        wanted = scene(index, 96, 64)
        # Whole picture means: chroma at half size blurs the edges of the mark.
        shown = picture.to_ndarray(format="rgb24")
        if pix_fmt == "gray":
            assert abs(shown.mean() - decoded(source)[index].to_ndarray(format="gray").mean()) < 20
            continue
        assert (
            np.abs(shown[24:].astype(float).mean((0, 1)) - wanted[24:].mean((0, 1))).max() < 2.5
        )  # swscale rounds down
        assert psnr(shown[24:], wanted[24:]) > 32


def test_start_times_that_differ(tmp_path: Path) -> None:
    times = [6400 + 512 * i for i in range(24)]
    source = Clip(tmp_path / "a.mp4", times=times, audio=["aac"], audio_start=0.25).make()
    for extension in ("mp4", "mkv"):
        identity(source, tmp_path / f"b.{extension}", quality=HIGH)
        assert faults(source, tmp_path / f"b.{extension}") == []


def test_transport_stream_begins_at_zero(tmp_path: Path) -> None:
    """A transport stream starts its clock anywhere; the copy starts at 0 with sound and picture as far apart."""
    times = [900_000 + 3600 * i for i in range(24)]
    source = Clip(tmp_path / "a.ts", audio=["aac"], time_base=Fraction(1, 90000), times=times, audio_start=10.1).make()
    identity(source, tmp_path / "b.mp4", quality=HIGH)
    assert probe(source).start_time > 1
    assert probe(tmp_path / "b.mp4").start_time < 0.1
    assert faults(source, tmp_path / "b.mp4", same_audio=False) == []
    first = [decoded(p)[0].time - sound_start(p) for p in (source, tmp_path / "b.mp4")]
    assert first[0] == pytest.approx(first[1], abs=0.001)


@pytest.mark.parametrize(
    ("extension", "codec"), [("mp4", "aac"), ("mov", "aac"), ("webm", "vorbis"), ("mkv", "vorbis")]
)
def test_vorbis_is_copied_where_it_may_be(tmp_path: Path, extension: str, codec: str) -> None:
    clip = Clip(tmp_path / "a.webm", codec="libvpx-vp9", audio=["vorbis"], languages=["fra"], frames=50)
    clip.options = {"crf": "20", "deadline": "realtime", "cpu-used": "8"}
    clip.time_base = Fraction(1, 1000)
    source = clip.make()
    target = tmp_path / f"b.{extension}"
    summary = identity(source, target)
    assert [a.codec for a in probe(target).audio] == [codec]
    assert bool(summary.converted) == (codec == "aac")
    assert probe(target).audio[0].language == "fra"
    assert sound_start(source) == pytest.approx(sound_start(target), abs=0.005)


def test_aac_becomes_opus_in_webm(tmp_path: Path) -> None:
    source = Clip(tmp_path / "a.mp4", audio=["aac"], frames=50, audio_start=0.2).make()
    summary = identity(source, tmp_path / "b.webm")
    assert "opus" in summary.converted[0]
    assert sound_start(source) == pytest.approx(sound_start(tmp_path / "b.webm"), abs=0.005)
    assert faults(source, tmp_path / "b.webm", same_audio=False, quality=0) == []


def _chapters(container: Any, _: Any) -> None:
    base = Fraction(1, 1000)
    container.set_chapters(
        [
            {"id": 1, "start": 0, "end": 400, "time_base": base, "metadata": {"title": "One"}},
            {"id": 2, "start": 400, "end": 960, "time_base": base, "metadata": {"title": "Two"}},
        ]
    )
    container.metadata["title"] = "A title"


@pytest.mark.parametrize("extension", ["mkv", "mp4", "webm"])
def test_subtitles_chapters_and_title(tmp_path: Path, extension: str) -> None:
    lines = [(0.1, 0.3, "Hello"), (0.6, 0.2, "World")]
    source = Clip(tmp_path / "a.mkv", time_base=Fraction(1, 1000), subtitles=lines, setup=_chapters).make()
    target = tmp_path / f"b.{extension}"
    summary = identity(source, target)
    info = probe(target)
    assert [s.language for s in info.subtitles] == ["fra"]
    assert summary.dropped == []
    assert {k.lower(): v for k, v in info.metadata.items()}["title"] == "A title"
    with av.open(str(target)) as container:
        assert [c["metadata"]["title"] for c in container.chapters()] == ["One", "Two"]
        video = next(p for p in container.demux(container.streams.video[0]))
        shift = float(video.pts * video.time_base)
    with av.open(str(target)) as container:
        found = [
            (float(p.pts * p.time_base) - shift, bytes(p))
            for p in container.demux(container.streams.subtitles[0])
            if p.size > 2
        ]
    assert [round(t, 2) for t, _ in found] == [0.1, 0.6]
    assert b"Hello" in found[0][1]


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_range(tmp_path: Path, extension: str) -> None:
    """A cut starts at time 0, with the frames asked for and the sound in step."""
    source = Clip(tmp_path / "a.mp4", frames=100, audio=["aac"], options={"crf": "10", "g": "30"}).make()
    target = tmp_path / f"b.{extension}"
    summary = identity(source, target, read={"start": 1.5, "end": 2.5}, quality=HIGH)
    assert summary.frames == 25
    pictures = decoded(target)
    wanted = decoded(source)[38:63]
    assert psnr(np.asarray(pictures[0].to_ndarray()), np.asarray(wanted[0].to_ndarray())) > 38
    assert pictures[-1].time - pictures[0].time == pytest.approx(0.96, abs=0.001)
    a, b = audio_packets(source)[0], audio_packets(target)[0]
    where = a[1].index(b[1][1])
    assert a[1][where - 1 : where - 1 + len(b[1])] == b[1]
    assert a[2][where] - wanted[0].time == pytest.approx(b[2][1] - pictures[0].time, abs=0.002)
    assert 0.95 < b[2][-1] - b[2][0] < 1.05


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(33, 80),
    height=st.integers(33, 80),
    gaps=st.lists(st.integers(1, 40000), min_size=1, max_size=8),
    extension=st.sampled_from(["mp4", "mkv", "webm"]),
)
@example(width=33, height=33, gaps=[1, 1], extension="mp4")  # all of it within a millisecond
def test_any_size_and_rhythm(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, gaps: list[int], extension: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    times = [0]
    for gap in gaps:
        times.append(times[-1] + max(gap, 13 if extension != "mp4" else 1))
    if extension != "mp4":  # these store whole milliseconds
        times = sorted({round(t / 12.8) for t in times})
    base = Fraction(1, 12800) if extension == "mp4" else Fraction(1, 1000)
    odd = width % 2 or height % 2
    source = Clip(
        folder / f"a.{'mkv' if extension != 'mp4' else 'mp4'}",
        size=(width, height),
        times=times,
        time_base=base,
        pix_fmt="yuv444p" if odd else "yuv420p",
    ).make()
    identity(source, folder / f"b.{extension}")
    assert faults(source, folder / f"b.{extension}", quality=0, tags=False) == []


_NAMES = (
    "bear_480p_moving_camera.mp4", "bunny_1080p_rot_aac51.mp4", "flower_540p_vp8_vorbis.webm",
    "hdr10_av1_10bit.mp4", "nasa_two_audio_tracks.mp4", "phone_1080p_hevc10_hlg_rot_vfr.mp4",
    "phone_portrait_rot.mov", "sar_2x1.mp4", "vp9_10bit.webm", "webcam_480p_vfr.mov", "webcam_fullrange.mkv",
)  # fmt: skip


@pytest.mark.parametrize("name", _NAMES)
def test_real_clips(tmp_path: Path, name: str) -> None:
    source = REAL_CLIPS / name
    if not source.is_file():
        pytest.skip("the folder of real clips is not beside this checkout")
    target = tmp_path / name
    large = "1080p" in name
    with VideoReader(source) as reader:
        size = (reader.width // 4 * 2, reader.height // 4 * 2)
    if large:  # times and sound are what matters here; a small picture is encoded sooner
        with VideoReader(source) as reader, VideoWriter(target, reader, width=size[0], height=size[1]) as writer:
            for frame in reader:
                small = frame.with_planes(*(np.ascontiguousarray(p[::2, ::2]) for p in (frame.y, frame.u, frame.v)))
                writer.write(small)
            writer.finish()
        assert set(faults(source, target, quality=0)) <= {"size"}
    else:
        identity(source, target, quality=10 if target.suffix != ".webm" else 6)
        assert faults(source, target, quality=0 if target.suffix == ".webm" else 40) == []
