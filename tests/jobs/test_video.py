"""Video files, from the file to the file: real encoded media through an identity network come back as they were."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from realtime.engines.painter import FramePainter
from realtime.errors import DiskFull, InputError
from realtime.jobs.video import restyle_video
from realtime.options import EngineOptions, VideoOptions
from realtime.pipeline import Cancelled
from realtime.results import Progress
from tests.helpers.clips import REAL_CLIPS, audio_packets, psnr, rgb_pictures
from tests.helpers.networks import rgb_network
from tests.helpers.transnets import CPU


def test_an_identity_network_changes_nothing_but_the_coding(
    same_painter: FramePainter, clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    calls: list[Progress] = []
    summary = restyle_video(same_painter, clip, output, VideoOptions(quality=6), progress=calls.append)
    assert (summary.input, summary.output, summary.style) == (str(clip), str(output), "identity")
    assert (summary.status, summary.frames, summary.audio_streams) == ("done", 30, 1)
    assert (summary.backend, summary.device, summary.precision) == ("torch", "cpu", "fp32")
    assert (summary.decoder, summary.working_size, summary.parts) == ("software", "160x90", 1)
    assert set(summary.stages) == {"decode", "infer", "encode"}
    assert all(stage.busy_seconds > 0 for stage in summary.stages.values())
    assert summary.fps == pytest.approx(30 / summary.seconds, rel=0.01)
    assert (calls[-1].frames, calls[-1].total) == (30, 30)
    before, after = list(rgb_pictures(clip)), list(rgb_pictures(output))
    assert [t for t, _ in after] == pytest.approx([t for t, _ in before], abs=1e-3)
    assert all(psnr(a, b) > 40 for (_, a), (_, b) in zip(before, after, strict=True))
    assert [track[:2] for track in audio_packets(output)] == [track[:2] for track in audio_packets(clip)]


@pytest.mark.slow
@pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason="the clips of ../shared are not there")
@pytest.mark.parametrize("name", ["webcam_480p_vfr.mov", "phone_portrait_rot.mov", "vp9_10bit.webm"])
def test_real_clips(same_painter: FramePainter, name: str, tmp_path: Path) -> None:
    source, output = REAL_CLIPS / name, tmp_path / name
    summary = restyle_video(same_painter, source, output, VideoOptions(quality=8, end=1.5))
    before, after = list(rgb_pictures(source)), list(rgb_pictures(output))
    assert summary.frames == len(after) > 5
    start = before[0][0]
    assert [t for t, _ in after] == pytest.approx([t - start for t, _ in before[: len(after)]], abs=1e-3)
    worst = min(psnr(a, b) for (_, a), (_, b) in zip(before, after, strict=False))
    assert worst > (40 if name.endswith("mov") else 36)  # ten bits became eight, and VP9 runs in its fast mode


@pytest.mark.parametrize(("size", "shape"), [(72, (72, 128)), ("64x48", (48, 64)), ((50, 40), (40, 50))])
def test_size(same_painter: FramePainter, clip: Path, tmp_path: Path, size: object, shape: tuple[int, int]) -> None:
    summary = restyle_video(same_painter, clip, tmp_path / "out.mp4", VideoOptions(size=size, end=0.2))  # type: ignore[arg-type]
    assert next(rgb_pictures(tmp_path / "out.mp4"))[1].shape == (*shape, 3)
    assert summary.working_size == f"{shape[1]}x{shape[0]}"


def test_range(same_painter: FramePainter, clip: Path, tmp_path: Path) -> None:
    options = VideoOptions(start=0.25, end=0.75, quality=6)
    summary = restyle_video(same_painter, clip, tmp_path / "out.mp4", options)
    before = [p for t, p in rgb_pictures(clip) if 0.25 <= t < 0.75]
    after = list(rgb_pictures(tmp_path / "out.mp4"))
    assert summary.frames == len(after) == len(before)
    assert after[0][0] == pytest.approx(0, abs=1e-3)
    assert psnr(before[0], after[0][1]) > 38


def test_strength_compare_and_colour(random_painter: FramePainter, clip: Path, tmp_path: Path) -> None:
    source = np.stack([p for _, p in rgb_pictures(clip)])

    def made(name: str, **options: object) -> np.ndarray:
        restyle_video(random_painter, clip, tmp_path / name, VideoOptions(quality=6, **options))  # type: ignore[arg-type]
        return np.stack([p for _, p in rgb_pictures(tmp_path / name)])

    assert psnr(made("none.mp4", strength=0), source) > 40
    full, split = made("full.mp4"), made("split.mp4", compare=True)
    assert psnr(full, source) < 20
    assert psnr(split[:, :, :70], source[:, :, :70]) > 35
    assert psnr(split[:, :, 90:], full[:, :, 90:]) > 25
    kept = made("kept.mp4", keep_color=True)
    difference = full.astype(float).mean((0, 1, 2)) - kept.astype(float).mean((0, 1, 2))
    assert np.abs(difference).max() > 2


def test_a_cancelled_run_leaves_nothing(same_painter: FramePainter, clip: Path, tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        restyle_video(same_painter, clip, tmp_path / "out.mp4", cancel=cancel)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (VideoOptions(start=5.0), "start"),
        (VideoOptions(encoder="nothing"), "nothing"),
        (VideoOptions(quality=99), "51"),
        (VideoOptions(decoder="cuda"), "cuda"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_that_do_not_fit_the_file(
    same_painter: FramePainter, clip: Path, tmp_path: Path, options: VideoOptions, word: str
) -> None:
    with pytest.raises(InputError, match=word):
        restyle_video(same_painter, clip, tmp_path / "out.mp4", options)
    assert not list(tmp_path.iterdir())


def test_skip_existing(same_painter: FramePainter, clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"whatever it is")
    summary = restyle_video(same_painter, clip, output, VideoOptions(skip_existing=True))
    assert (summary.status, summary.skipped, summary.frames) == ("skipped", True, 0)
    assert output.read_bytes() == b"whatever it is"


def test_images_as_output(same_painter: FramePainter, clip: Path, tmp_path: Path) -> None:
    summary = restyle_video(same_painter, clip, tmp_path / "%03d.png", VideoOptions(end=0.1))
    assert summary.frames == len(list(tmp_path.glob("*.png"))) == 3
    with pytest.raises(InputError, match="cannot be resumed"):
        restyle_video(same_painter, clip, tmp_path / "again-%03d.png", VideoOptions(resume=True))


def test_trace_receives_every_piece_of_work(same_painter: FramePainter, clip: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    restyle_video(
        same_painter,
        clip,
        tmp_path / "out.mp4",
        VideoOptions(end=0.2),
        trace=lambda name, frames, begin, end: told.append((name, len(frames))),
    )
    assert {name for name, _ in told} >= {"open", "decode", "infer", "encode", "finish"}
    assert sum(count for name, count in told if name == "infer") == 6


# Very large frames


def test_very_large_frames_are_painted_in_tiles(
    random_painter: FramePainter, random_style: Path, clip: Path, tmp_path: Path
) -> None:
    options = VideoOptions(quality=4, end=0.2)
    whole = restyle_video(random_painter, clip, tmp_path / "whole.mp4", options)
    assert not any("tiles" in note for note in whole.notes)
    with FramePainter(random_style, CPU, most_pixels=1000, tile_side=32) as painter:
        tiled = restyle_video(painter, clip, tmp_path / "tiled.mp4", options)
    assert "160x90: painted in tiles, which changes nothing" in tiled.notes
    pairs = zip(rgb_pictures(tmp_path / "whole.mp4"), rgb_pictures(tmp_path / "tiled.mp4"), strict=True)
    assert all(psnr(a, b) > 45 for (_, a), (_, b) in pairs)


def test_very_large_frames_are_not_tiled_for_a_foreign_network(clip: Path, tmp_path: Path) -> None:
    """It is not known how far such a network looks: tiles might differ at their borders."""
    with FramePainter(
        rgb_network(tmp_path / "negative.onnx"), EngineOptions(device="cpu"), most_pixels=1000
    ) as negative:
        summary = restyle_video(negative, clip, tmp_path / "out.mp4", VideoOptions(end=0.2))
    assert summary.frames == 6
    assert "160x90: painted whole, which takes much memory" in summary.notes


def test_a_full_disk_is_detected_before_the_work(
    same_painter: FramePainter, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.media.files.disk_space.free_bytes", lambda folder: 1000)
    with pytest.raises(DiskFull, match="are free"):
        restyle_video(same_painter, clip, tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())
