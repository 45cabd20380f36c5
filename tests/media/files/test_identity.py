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

from realtime.media.files.probe import probe
from realtime.media.files.reader import VideoReader
from realtime.media.files.writer import VideoWriter
from tests.helpers.clips import Clip, audio_packets, decoded, psnr, scene, sound_start
from tests.helpers.media import faults, identity

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


@pytest.mark.parametrize("options", [{"bf": "0"}, {"bf": "3"}])
@pytest.mark.parametrize("late", [0, 6400])
def test_last_frame_keeps_its_duration(tmp_path: Path, options: dict[str, str], late: int) -> None:
    """FFmpeg's own durations of MP4 count decoding times; the movie header tells what a player shows."""
    source = Clip(tmp_path / "a.mp4", times=[t + late for t in VFR], rate=2, options=options).make()
    identity(source, tmp_path / "b.mp4")
    for path in (source, tmp_path / "b.mp4"):
        data = path.read_bytes()
        where = data.index(b"mvhd") + 16
        scale, length = struct.unpack(">II", data[where : where + 8])
        assert length / scale == pytest.approx((late + VFR[-1] + 6400) / 12800, abs=0.002)


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


@pytest.mark.parametrize("color", [(2, 5, 5, 6), (1, 9, 9, 14), (1, 1, 1, 13), (0, 2, 2, 2), (2, 1, 1, 1)])
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


@pytest.mark.parametrize(("first", "second", "name"), [("ts", "ts", "klv"), ("ts", "ts", "timed_id3"),
                                                       ("mp4", "mp4", "bin_data")])  # fmt: skip
def test_data_streams(tmp_path: Path, first: str, second: str, name: str) -> None:
    source, target = tmp_path / f"a.{first}", tmp_path / f"b.{second}"
    wanted = [bytes([6, 14, 43, 52, number]) * 4 for number in range(25)]
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        data: Any = container.add_data_stream(name)
        for number, content in enumerate(wanted):
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.pts = number
            container.mux(video.encode(frame))
            packet: Any = av.Packet(content)
            packet.pts = packet.dts = number * 40
            packet.duration, packet.time_base, packet.stream = 40, Fraction(1, 1000), data
            container.mux(packet)
        container.mux(video.encode(None))
    summary = identity(source, target)
    assert any(name in text for text in summary.copied), summary
    with av.open(str(target)) as container:
        assert [bytes(p) for p in container.demux(container.streams.data[0]) if p.size] == wanted
    summary = identity(source, tmp_path / "b.mkv")
    assert any(name in text and ".mkv cannot hold it" in text for text in summary.dropped)


@pytest.mark.parametrize("start", [0.0, 0.25])
@pytest.mark.parametrize("times", [None, VFR])
def test_avi_keeps_sound_and_picture_in_step(tmp_path: Path, start: float, times: list[int] | None) -> None:
    """AVI knows no times: pictures are placed on a fine enough clock, and sound begins with them."""
    source = Clip(tmp_path / "a.mp4", frames=75, times=times, audio=["aac"], audio_start=start).make()
    target = tmp_path / "b.avi"
    identity(source, target, quality=4)
    assert faults(source, target, same_audio=False, quality=30) == []
    begin = [sound_start(p) - decoded(p)[0].time for p in (source, target)]
    # MP3 begins with 1105 samples that are not of the sound: what they cover is lost.
    assert begin[1] == pytest.approx(max(begin[0], 0.023), abs=0.001)


def test_converted_sound_does_not_click(tmp_path: Path) -> None:
    """Matroska rounds time stamps to milliseconds. That is no reason to cut or pad the sound in a container without."""
    source = Clip(tmp_path / "a.mkv", frames=50, audio=["aac"], time_base=Fraction(1, 1000)).make()
    identity(source, tmp_path / "b.avi")
    with av.open(str(tmp_path / "b.avi")) as container:
        wave = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])[24000:72000]
    step = 2 * np.pi * 220 / 48000  # the clip's tone: each sample of a sine follows from the two before it
    clicks = np.abs(wave[2:] - 2 * np.cos(step) * wave[1:-1] + wave[:-2])
    assert np.abs(wave).max() > 0.25
    assert clicks.max() < 0.01


def test_surround_sound(tmp_path: Path) -> None:
    """Encoders that take no 5.1, or call it otherwise, get what they take."""
    source = tmp_path / "a.mkv"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        sound: Any = container.add_stream("flac", rate=48000, layout="5.1(side)")
        for number in range(25):
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.pts = number
            container.mux(video.encode(frame))
            samples = np.full((1, 6 * 1920), 3000, np.int16)
            piece = av.AudioFrame.from_ndarray(samples, format="s16", layout="5.1(side)")
            piece.sample_rate, piece.pts = 48000, number * 1920
            container.mux(sound.encode(piece))
        container.mux([*video.encode(None), *sound.encode(None)])
    for extension, codec, channels in (("webm", "opus", 6), ("mov", "aac", 6), ("avi", "ac3", 6), ("mkv", "flac", 6)):
        identity(source, tmp_path / f"b.{extension}")
        track = probe(tmp_path / f"b.{extension}").audio[0]
        assert (extension, track.codec, track.channels) == (extension, codec, channels)


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


@pytest.mark.parametrize(
    ("extension", "size"), [("mp4", (16, 16)), ("mkv", (16, 18)), ("webm", (17, 16)), ("gif", (16, 16))]
)
def test_very_small_pictures(tmp_path: Path, extension: str, size: tuple[int, int]) -> None:
    source = Clip(tmp_path / "a.mkv", size=size, codec="ffv1", pix_fmt="yuv420p", time_base=Fraction(1, 1000)).make()
    summary = identity(source, tmp_path / f"b.{extension}")
    pictures = decoded(tmp_path / f"b.{extension}")
    assert len(pictures) == summary.frames == 24
    assert (pictures[0].width, pictures[0].height) == size


def test_transparency_is_left_out_and_said(tmp_path: Path) -> None:
    source = Clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuva420p", frames=3, time_base=Fraction(1, 1000)).make()
    with VideoReader(source) as reader:
        assert len(list(reader)) == 3
        assert reader.notes == ["transparency (yuva420p) was left out"]


def test_pictures_before_zero_are_kept(tmp_path: Path) -> None:
    """A clock can begin below 0, where MP4 would hide what it is given. Sound moves along."""
    source = Clip(tmp_path / "a.mp4", frames=24, audio=["aac"]).make()
    with VideoReader(source) as reader, VideoWriter(tmp_path / "b.mp4", reader) as writer:
        for frame in reader:
            frame.pts -= 2560
            writer.write(frame)
        writer.finish()
    assert [f.time for f in decoded(tmp_path / "b.mp4")] == [f.time for f in decoded(source)]
    assert sound_start(tmp_path / "b.mp4") == pytest.approx(sound_start(source) + 0.2, abs=0.001)


def test_creation_time_and_titles(tmp_path: Path) -> None:
    def setup(container: Any, video: Any) -> None:
        container.metadata.update(title="A title", creation_time="2024-01-24T14:50:14.000000Z", comment="Said")
        video.metadata["handler_name"] = "Lens"

    source = Clip(tmp_path / "a.mp4", frames=5, setup=setup).make()
    for extension in ("mp4", "mov", "mkv"):
        identity(source, tmp_path / f"b.{extension}")
        tags = {k.lower(): v for k, v in probe(tmp_path / f"b.{extension}").metadata.items()}
        assert (tags["title"], tags["creation_time"][:19]) == ("A title", "2024-01-24T14:50:14")
        assert tags["comment"] == "Said"


def test_cover_art(tmp_path: Path) -> None:
    """A picture that is attached stays in MP4, and is named where it does not."""
    source = tmp_path / "a.mp4"
    plain = Clip(tmp_path / "plain.mp4", frames=5).make()
    jpeg = Clip(tmp_path / "cover.mov", codec="mjpeg", pix_fmt="yuvj420p", frames=1, color=(2, 5, 2, 2)).make()
    with av.open(str(plain)) as first, av.open(str(jpeg)) as second, av.open(str(source), "w") as container:
        video: Any = container.add_stream_from_template(first.streams.video[0])
        cover: Any = container.add_stream_from_template(second.streams.video[0])
        cover.disposition = 1 << 10
        for stream, target in ((first, video), (second, cover)):
            for packet in stream.demux(video=0):
                if packet.size:
                    packet.stream = target
                    container.mux(packet)
    summary = identity(source, tmp_path / "b.mp4")
    assert any("cover art" in text for text in summary.copied)
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert [int(s.disposition) >> 10 & 1 for s in container.streams.video] == [0, 1]
    summary = identity(source, tmp_path / "b.webm")
    assert any("cover art" in text for text in summary.dropped)
