"""The public object, end to end: real encoded media through an identity network come back as they were."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from export.onnx_export import export_onnx
from realtime import InputError, Progress, Stylizer
from realtime.engines.tiling import stylize_in_tiles
from realtime.frames import Frame
from realtime.media.convert.rgb import rgb_from_frame
from realtime.media.files.stills import read_image, write_image
from realtime.media.synthetic.demo import write_demo_clip
from realtime.media.synthetic.natural import natural_frames
from realtime.pipeline import Cancelled
from realtime.stylizer import parse_size
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import Architecture, identity_network
from tests.helpers.clips import REAL_CLIPS
from tests.helpers.networks import rgb_network
from tests.helpers.transnets import random_network

KEYS = set("input output style frames seconds fps backend device precision encoder audio_streams stages".split())


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Stylizer:
    path = tmp_path_factory.mktemp("styles") / "identity.safetensors"
    save_checkpoint(path, identity_network(), StyleCard("identity"))
    return Stylizer(path, device="cpu")


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Stylizer:
    path = tmp_path_factory.mktemp("styles") / "noise.safetensors"
    save_checkpoint(path, random_network(Architecture(width=8, body=16, dilations=(1,))), StyleCard("noise"))
    return Stylizer(path, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_demo_clip(path, seconds=1, size=(160, 90))
    return path


def pictures(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    """(time, (H, W, 3) RGB) of each frame."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            assert frame.time is not None
            yield frame.time, frame.to_ndarray(format="rgb24")


def sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(audio=0) if p.size]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def test_identity_changes_nothing_but_the_coding(identity: Stylizer, clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    calls: list[Progress] = []
    summary = identity.video(clip, output, quality=6, progress=calls.append)
    assert set(summary) >= KEYS
    assert summary["frames"] == 30
    assert set(summary["stages"]) == {"decode", "infer", "encode"}
    assert all(stage["busy_seconds"] > 0 for stage in summary["stages"].values())
    assert summary["fps"] == pytest.approx(30 / summary["seconds"], rel=0.01)
    assert calls[-1].frames == 30
    assert calls[-1].total == 30
    before, after = list(pictures(clip)), list(pictures(output))
    assert [t for t, _ in after] == pytest.approx([t for t, _ in before], abs=1e-3)
    assert all(psnr(a, b) > 40 for (_, a), (_, b) in zip(before, after, strict=True))
    assert sound(output) == sound(clip)


@pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason="the clips of ../shared are not there")
@pytest.mark.parametrize("name", ["webcam_480p_vfr.mov", "phone_portrait_rot.mov", "vp9_10bit.webm"])
def test_identity_on_real_clips(identity: Stylizer, name: str, tmp_path: Path) -> None:
    source, output = REAL_CLIPS / name, tmp_path / name
    summary = identity.video(source, output, quality=8, encoder="auto", end=1.5)
    before = [(t, p) for t, p in pictures(source)]
    after = list(pictures(output))
    assert summary["frames"] == len(after) > 5
    start = before[0][0]
    assert [t for t, _ in after] == pytest.approx([t - start for t, _ in before[: len(after)]], abs=1e-3)
    worst = min(psnr(a, b) for (_, a), (_, b) in zip(before, after, strict=False))
    assert worst > (40 if name.endswith("mov") else 36)  # ten bits became eight, and VP9 runs in its fast mode


@pytest.mark.parametrize(("size", "shape"), [(72, (72, 128)), ("64x48", (48, 64)), ((50, 40), (40, 50))])
def test_size(identity: Stylizer, clip: Path, tmp_path: Path, size: object, shape: tuple[int, int]) -> None:
    identity.video(clip, tmp_path / "out.mp4", size=size, end=0.2)  # type: ignore[arg-type]
    assert next(pictures(tmp_path / "out.mp4"))[1].shape == (*shape, 3)


def test_range(identity: Stylizer, clip: Path, tmp_path: Path) -> None:
    summary = identity.video(clip, tmp_path / "out.mp4", start=0.25, end=0.75, quality=6)
    before = [p for t, p in pictures(clip) if 0.25 <= t < 0.75]
    after = list(pictures(tmp_path / "out.mp4"))
    assert summary["frames"] == len(after) == len(before)
    assert after[0][0] == pytest.approx(0, abs=1e-3)
    assert psnr(before[0], after[0][1]) > 38


def test_strength_compare_and_colour(noise: Stylizer, clip: Path, tmp_path: Path) -> None:
    source = np.stack([p for _, p in pictures(clip)])

    def made(name: str, **options: object) -> np.ndarray:
        noise.video(clip, tmp_path / name, quality=6, **options)  # type: ignore[arg-type]
        return np.stack([p for _, p in pictures(tmp_path / name)])

    assert psnr(made("none.mp4", strength=0), source) > 40
    full, split = made("full.mp4"), made("split.mp4", compare=True)
    assert psnr(full, source) < 20
    assert psnr(split[:, :, :70], source[:, :, :70]) > 35
    assert psnr(split[:, :, 90:], full[:, :, 90:]) > 25
    kept = made("kept.mp4", keep_color=True)
    difference = full.astype(float).mean((0, 1, 2)) - kept.astype(float).mean((0, 1, 2))
    assert np.abs(difference).max() > 2


def test_cancel_leaves_nothing(identity: Stylizer, clip: Path, tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        identity.video(clip, tmp_path / "out.mp4", cancel=cancel)
    assert not list(tmp_path.iterdir())


def test_wrong_values(identity: Stylizer, clip: Path, tmp_path: Path) -> None:
    for options, word in [
        ({"strength": 1.5}, "strength"),
        ({"size": "big"}, "size"),
        ({"start": 5.0}, "start"),
        ({"encoder": "nothing"}, "nothing"),
    ]:
        with pytest.raises(InputError, match=word):
            identity.video(clip, tmp_path / "out.mp4", **options)  # type: ignore[arg-type]
        assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="uint8"):
        identity.image(np.zeros((4, 4, 3)))
    with pytest.raises(InputError, match="backend"):
        Stylizer("starry-night", backend="tensor")  # type: ignore[arg-type]


def test_parse_size() -> None:
    assert [parse_size(s) for s in ("360", "640X360", 360, (640, 360), None)] == [
        360,
        (640, 360),
        360,
        (640, 360),
        None,
    ]


def test_image_and_frames(identity: Stylizer) -> None:
    rng = np.random.default_rng(0)
    flat = [np.full((h, w, 3), rng.integers(0, 256, 3), np.uint8) for h, w in ((31, 50), (31, 50), (16, 16), (31, 50))]
    lazy = identity.frames(iter(flat))
    assert iter(lazy) is lazy
    for a, b in zip(flat, lazy, strict=True):
        assert a.shape == b.shape
        assert np.abs(a.astype(int) - b).max() <= 3  # full-range 4:2:0 there and back
    assert np.array_equal(identity.image(flat[0]), next(identity.frames(flat)))


def test_pictures(identity: Stylizer, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        write_image(folder / name, np.full((20, 30, 3), 90, np.uint8))
    (folder / "c.png").write_text("no picture")
    summary = identity.pictures([folder], tmp_path / "out")
    assert summary["images"] == 2
    assert len(summary["warnings"]) == 1
    assert "c.png" in summary["warnings"][0]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
    identity.pictures([folder / "a.png"], tmp_path / "one.png", size=40)
    assert read_image(tmp_path / "one.png").shape == (40, 60, 3)
    with pytest.raises(InputError, match="exists"):
        identity.pictures([folder / "a.png"], tmp_path / "one.png")
    with pytest.raises(InputError, match="folder"):
        identity.pictures([folder / "a.png", folder / "b.png"], tmp_path / "two.png")
    with pytest.raises(InputError, match="is the source itself"):
        identity.pictures([folder / "a.png"], folder, overwrite=True)
    (folder / "deeper").mkdir()
    write_image(folder / "deeper" / "a.png", np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(InputError, match="two of the pictures"):
        identity.pictures([folder / "a.png", folder / "deeper"], tmp_path / "out", overwrite=True)
    with pytest.raises(InputError, match=r"c\.png"):
        identity.pictures([folder / "c.png"], tmp_path / "c2.png")


def test_many_videos(identity: Stylizer, clip: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a.mp4", "c.mp4"):
        (folder / name).write_bytes(clip.read_bytes())
    (folder / "b.mp4").write_bytes(b"no video")
    entries: list[dict[str, object]] = []
    summary = identity.videos([folder], out, end=0.2, done=entries.append)
    assert (summary["done"], summary["failed"], summary["skipped"], summary["frames"]) == (2, 1, 0, 12)
    assert entries == summary["videos"]
    assert [entry["status"] for entry in entries] == ["done", "failed", "done"]
    assert set(summary["videos"][0]) >= KEYS
    assert "b.mp4" in summary["videos"][1]["error"]
    assert sorted(p.name for p in out.iterdir()) == ["a.mp4", "c.mp4"]
    again = identity.videos([folder], out, end=0.2, skip_existing=True)
    assert (again["done"], again["failed"], again["skipped"]) == (0, 1, 2)
    other = identity.videos([str(folder / "[ac].mp4")], out, end=0.2, format="mkv")
    assert (other["done"], other["failed"]) == (2, 0)
    assert len(list(pictures(out / "a.mkv"))) == 6
    with pytest.raises(InputError, match="strength"):
        identity.videos([folder], out, strength=2)


def test_a_full_disk_ends_the_rest(
    identity: Stylizer, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "in" / name).write_bytes(clip.read_bytes())
    monkeypatch.setattr("realtime.media.files.disk_space.free_bytes", lambda folder: 1000)
    summary = identity.videos([tmp_path / "in"], tmp_path / "out")
    assert summary["failed"] == 2
    assert "are free" in summary["videos"][0]["error"]
    assert "not begun" in summary["videos"][1]["error"]


def test_very_large_frames_go_through_in_tiles(
    noise: Stylizer, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise.video(clip, tmp_path / "whole.mp4", quality=4, end=0.2)
    still = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    whole = noise.image(still)
    monkeypatch.setattr("realtime.stylizer.MOST_PIXELS", 1000)
    monkeypatch.setattr("realtime.engines.tiling.MOST_PIXELS", 1000)
    monkeypatch.setattr(noise, "engine", _Counted(noise.engine))
    monkeypatch.setattr("realtime.stylizer.stylize_in_tiles", partial(stylize_in_tiles, side=32))
    summary = noise.video(clip, tmp_path / "tiled.mp4", quality=4, end=0.2)
    assert any("in tiles" in note for note in summary["notes"])
    for (_, a), (_, b) in zip(pictures(tmp_path / "whole.mp4"), pictures(tmp_path / "tiled.mp4"), strict=True):
        assert psnr(a, b) > 45
    assert np.abs(noise.image(still).astype(int) - whole).max() <= 3
    assert noise.engine.calls > 7  # type: ignore[attr-defined]


def test_a_network_that_sees_the_whole_picture_is_settled_for_very_large_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = random_network(Architecture(width=8, body=16, dilations=(1,), norm="instance", cell=4))
    with torch.no_grad():
        network.out.weight.mul_(0.2)
    path = tmp_path / "normed.safetensors"
    save_checkpoint(path, network, StyleCard("normed", architecture=network.architecture))
    stylizer = Stylizer(path, device="cpu", backend="torch", precision="fp32", threads=1)
    still = rgb_from_frame(next(natural_frames(1, size=(160, 96))))
    whole = stylizer.image(still)
    monkeypatch.setattr("realtime.engines.tiling.MOST_PIXELS", 1000)
    monkeypatch.setattr("realtime.stylizer.stylize_in_tiles", partial(stylize_in_tiles, side=32))
    tiled = stylizer.image(still)
    assert any("normalised by a sample" in note for note in stylizer.engine.notes)
    assert np.abs(tiled.astype(int) - whole).mean() < 1.5  # the tiles' engine chooses its own precision
    export_onnx(path, tmp_path / "normed.onnx", checks=[(96, 64, 1)])
    exported = Stylizer(tmp_path / "normed.onnx", device="cpu")
    assert np.abs(exported.image(still).astype(int) - whole).mean() < 1.5  # whole: it cannot be settled


def test_other_peoples_networks_get_very_large_frames_whole(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows how far they look: at the borders of tiles they might differ."""
    negative = Stylizer(rgb_network(tmp_path / "negative.onnx"), device="cpu")
    monkeypatch.setattr("realtime.stylizer.MOST_PIXELS", 1000)
    monkeypatch.setattr("realtime.engines.tiling.MOST_PIXELS", 1000)
    monkeypatch.setattr(negative, "engine", _Counted(negative.engine))
    summary = negative.video(clip, tmp_path / "out.mp4", end=0.2)
    assert summary["frames"] == 6
    assert any("whole" in note for note in summary["notes"])
    assert negative.engine.calls == 6  # type: ignore[attr-defined]


class _Counted:
    """An engine that counts what it is asked to do."""

    def __init__(self, engine: object) -> None:
        self._engine, self.calls = engine, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def stylize(self, frames: list[Frame], **options: object) -> object:
        self.calls += 1
        return self._engine.stylize(frames, **options)  # type: ignore[attr-defined]

    def begin(self, frames: list[Frame], **options: object) -> object:
        self.calls += 1
        return self._engine.begin(frames, **options)  # type: ignore[attr-defined]
