"""Timelines over frames and films: the style of each time, morphs without a jump, the same film however it is cut."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from realtime.engines.fidelity import picture_frames
from realtime.engines.painter import FramePainter
from realtime.errors import InputError, RestyleError, StyleError
from realtime.frames import Frame
from realtime.jobs.multi_device import MultiDevice
from realtime.jobs.timeline import TimelinePainter
from realtime.jobs.video import restyle_video
from realtime.media.convert.planes import blend
from realtime.media.files.fragments import FRAMES as FRAGMENT
from realtime.media.files.fragments import work_folder
from realtime.media.files.stills import write_image
from realtime.options import EngineOptions, PaintOptions, StyleOptions, VideoOptions
from realtime.pipeline import Cancelled
from realtime.results import Progress
from realtime.style.emitted import ORIGIN
from realtime.style.timeline import parse_timeline
from realtime.stylizer import Stylizer
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import TransNet
from tests.helpers.clips import Clip, decoded
from tests.helpers.frames import difference
from tests.helpers.networks import FLAT, exact, mean_difference, rgb_network
from tests.helpers.planes import same
from tests.helpers.transnets import CPU, random_network

RATE = 25
KINDS = [
    EngineOptions(backend="torch", device="cpu", precision="fp32", threads=1),
    EngineOptions(backend="torch", device="cpu", precision="bf16", threads=2),
    EngineOptions(backend="onnx", device="cpu", precision="int8", threads=2),
]
"""Engines that compute a style as the steps of a morph do, and one that does not."""


@dataclass(frozen=True)
class Styles:
    """Two styles of one origin, their networks, and a style that was trained apart."""

    first: Path
    second: Path
    apart: Path
    networks: tuple[TransNet, TransNet]


def strong_network(seed: int) -> TransNet:
    """A random network that paints with contrast."""
    network = random_network(FLAT, seed)
    with torch.no_grad():
        network.out.weight.mul_(4)
    return network


@pytest.fixture(scope="module")
def styles(tmp_path_factory: pytest.TempPathFactory) -> Styles:
    folder = tmp_path_factory.mktemp("styles")
    first, second, other = strong_network(1), strong_network(1), strong_network(2).state_dict()
    with torch.no_grad():
        for name, value in second.named_parameters():
            value.lerp_(other[name], 0.3)
    paths = {}
    for name, network, recipe in (
        ("first", first, {ORIGIN: "1"}),
        ("second", second, {ORIGIN: "1"}),
        ("apart", random_network(FLAT, 3), {}),
    ):
        paths[name] = folder / f"{name}.safetensors"
        save_checkpoint(paths[name], network, StyleCard(name, architecture=FLAT, recipe=recipe))
    return Styles(**paths, networks=(first, second))


def film(seconds: float, *, begins: float = 0.0) -> list[Frame]:
    """A still picture, frame by frame."""
    (picture,) = picture_frames(1, size=(96, 64))
    frames = []
    for number in range(round(seconds * RATE)):
        frame = picture.with_planes(picture.y, picture.u, picture.v)
        frame.pts, frame.time_base = round((number / RATE + begins) * 1000), frame.time_base
        frames.append(frame)
    return frames


def painted(painter: TimelinePainter, frames: list[Frame], batch: int = 4) -> list[Frame]:
    waits = [painter.begin(frames[n : n + batch]) for n in range(0, len(frames), batch)]
    return [frame for wait in waits for frame in wait()]


def test_each_frame_has_the_style_of_its_time(identity: Path, gray: Path) -> None:
    frames = film(1)
    with TimelinePainter(parse_timeline(f"0 '{identity}', 0.4 '{gray}', 0.8 '{identity}'"), CPU) as painter:
        made = painted(painter, frames, batch=7)
        assert painter.style.name == "identity, gray"
    changed = [number for number, (a, b) in enumerate(zip(frames, made, strict=True)) if difference(a, b) > 1]
    assert changed == list(range(10, 20))
    assert [frame.pts for frame in made] == [frame.pts for frame in frames]


def test_a_step_of_a_morph_is_the_network_between_the_two(styles: Styles) -> None:
    timeline = parse_timeline(f"0 '{styles.first}', 1 '{styles.second}' morph 2")
    first, second = styles.networks
    middle = strong_network(1)
    with torch.no_grad():
        for name, value in middle.named_parameters():
            value.copy_(torch.lerp(dict(first.named_parameters())[name], dict(second.named_parameters())[name], 0.5))
    frames = film(4)
    with TimelinePainter(timeline, CPU) as painter:
        made = painted(painter, frames)
    at = {time: made[round(time * RATE)] for time in (0.0, 1.0, 2.0, 3.0, 3.9)}
    wanted = {0.0: first, 1.0: first, 2.0: middle, 3.0: second, 3.9: second}
    for time, network in wanted.items():
        assert mean_difference(at[time], exact(network, frames[:1])[0]) < 0.2, time  # checkpoints are in fp16
    assert mean_difference(at[2.0], at[0.0]) > 1 < mean_difference(at[2.0], at[3.9])


@pytest.mark.parametrize("options", KINDS, ids=lambda options: f"{options.backend}-{options.precision}")
def test_a_morph_has_no_jump_also_at_its_ends(styles: Styles, options: EngineOptions) -> None:
    timeline = parse_timeline(f"0 '{styles.first}', 0.4 '{styles.second}' morph 2")
    with TimelinePainter(timeline, options) as painter:
        made = painted(painter, film(3))
    changes = [mean_difference(a, b) for a, b in pairwise(made)]
    whole = mean_difference(made[0], made[-1])
    morph = changes[9:61]
    assert whole > 5 and max(changes[:9] + changes[62:]) == 0
    assert max(morph) < 3 * np.mean(morph)
    assert max(morph) < 0.15 * whole


def painting(path: Path, seed: int) -> Path:
    """A picture whose style is taken."""
    colours = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    write_image(path, np.ascontiguousarray(colours.repeat(16, 0).repeat(16, 1)))
    return path


def test_pictures_and_blends_morph_by_their_weights(tmp_path: Path) -> None:
    """Networks that are made from pictures, at their amounts of paint; a gallery style takes none and is left alone."""
    first, second = painting(tmp_path / "my first.png", 1), painting(tmp_path / "second.png", 2)
    text = f"0 '{first}', 0.2 '{first}:0.3+{second}:0.7' morph 0.4, 0.8 starry-night"
    frames = [frame.at((n, 2.0 * n)) for n, frame in enumerate(film(1))]
    options = StyleOptions(paint=0.9)
    with TimelinePainter(parse_timeline(text), CPU, options) as painter:
        assert painter.style.architecture.texture and painter.takes_texture
        made = painted(painter, frames)
        smooth = painter.paint(frames[:1], PaintOptions(texture=0))[0]
        painter.paint(frames[-1:], PaintOptions(texture=0))
    ends = []
    for style in (str(first), f"{first}:0.3+{second}:0.7"):
        with FramePainter(style, CPU, options) as alone:
            ends.append([alone.paint([frame])[0] for frame in frames])
    assert all(same(a, b) for a, b in zip(made[:6], ends[0], strict=False))
    assert all(same(a, b) for a, b in zip(made[15:20], ends[1][15:20], strict=True))
    assert not same(smooth, made[0])
    whole = mean_difference(ends[0][10], ends[1][10])
    assert mean_difference(made[10], ends[0][10]) < whole and mean_difference(made[10], ends[1][10]) < whole
    with pytest.raises(InputError, match="no inputs for paint"):
        TimelinePainter(parse_timeline("0 starry-night, 1 the-scream"), CPU, options)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_batches_do_not_matter(styles: Styles, batch: int) -> None:
    timeline = parse_timeline(f"0 '{styles.first}', 0.2 '{styles.second}' morph 0.3, 0.6 '{styles.apart}' morph 0.2")
    frames = film(1)
    with TimelinePainter(timeline, CPU) as painter:
        wanted = [painter.paint([frame])[0] for frame in frames]
        assert all(same(a, b) for a, b in zip(painted(painter, frames, batch), wanted, strict=True))
        assert all(same(a, b) for a, b in zip(painted(painter, frames[6:], batch), wanted[6:], strict=True))


def test_styles_without_common_weights_are_cross_faded(styles: Styles, tmp_path: Path) -> None:
    negative = rgb_network(tmp_path / "negative.onnx")
    frames = film(4)
    timeline = parse_timeline(f"0 '{styles.first}', 1 '{styles.apart}' morph 2, 3.2 '{negative}' morph 0.4")
    with TimelinePainter(timeline, CPU) as painter:
        made = painted(painter, frames)
        assert (painter.engine.backend, painter.engine.precision) == ("torch, onnx", "fp32")
        with TimelinePainter(timeline, CPU.replace(threads=2), like=painter) as other:
            assert other.engine.backend == "torch, onnx"
    ends = {}
    for style in (styles.first, styles.apart, negative):
        options = CPU if style != negative else CPU.replace(backend="onnx")
        with FramePainter(style, options) as alone:
            ends[style] = alone.paint(frames[:1])[0]
    assert same(made[50], blend(ends[styles.first], ends[styles.apart], 0.5))
    assert difference(made[85], blend(ends[styles.apart], ends[negative], 0.5)) <= 1
    assert same(made[-1], ends[negative])


def test_frames_too_large_for_the_network_are_cross_faded(styles: Styles) -> None:
    timeline = parse_timeline(f"0 '{styles.first}', 1 '{styles.second}' morph 2")
    (frame,) = film(2 + 1 / RATE)[-1:]
    with (
        FramePainter(styles.first, CPU, most_pixels=1000, tile_side=64) as first,
        TimelinePainter(timeline, CPU, first=first) as painter,
    ):
        assert "tiles" in (painter.size_note(96, 64) or "")
        made = painter.paint([frame])[0]
        pure = [painter.paint([f])[0] for f in (film(1)[0], film(4)[-1])]
    assert same(made, blend(*pure, 0.5))


def test_strength_and_colours_hold_in_a_morph(styles: Styles) -> None:
    timeline = parse_timeline(
        f"0 '{styles.first}', 0 '{styles.second}'".replace("0 '", "0.1 '", 1).replace(", 0 ", ", 0.2 ")
    )
    frames = film(0.5)
    with TimelinePainter(timeline, CPU) as painter:
        assert all(same(a, b) for a, b in zip(painter.paint(frames, PaintOptions(strength=0)), frames, strict=True))
        kept = painter.paint(frames, PaintOptions(keep_color=True))
    assert all(np.array_equal(a.u, b.u) for a, b in zip(kept, frames, strict=True))


def test_engines_are_closed_and_a_given_one_is_not(styles: Styles) -> None:
    before = threading.active_count()
    timeline = parse_timeline(f"0 '{styles.first}', 0.1 '{styles.second}' morph 1")
    with FramePainter(styles.first, CPU) as first:
        with TimelinePainter(timeline, CPU, first=first) as painter:
            painted(painter, film(0.5))
            left = painter.begin(film(0.5)[-1:])  # nobody waits for these
        with pytest.raises(RestyleError, match="closed"):
            painter.begin(film(0.1))
        assert len(first.paint(film(0.1))) == 2
    assert threading.active_count() == before
    del left


def test_a_style_that_fails_closes_those_before_it(styles: Styles) -> None:
    before = threading.active_count()
    with pytest.raises(StyleError, match="none"):
        TimelinePainter(parse_timeline(f"0 '{styles.first}', 1 none"), CPU)
    assert threading.active_count() == before


# Films


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little longer than two fragments."""
    path = tmp_path_factory.mktemp("clip") / "a.mp4"
    return Clip(path, frames=2 * FRAGMENT + 20, size=(64, 48), options={"crf": "10", "bf": "2"}).make()


@pytest.fixture
def painter(styles: Styles, gray: Path) -> Iterator[TimelinePainter]:
    """A morph over the border between two fragments, and a cut."""
    begins = FRAGMENT / RATE - 1
    text = f"0 '{styles.first}', {begins} '{styles.second}' morph 2, {begins + 4} '{gray}'"
    with TimelinePainter(parse_timeline(text), CPU) as made:
        yield made


def pictures(path: Path) -> list[np.ndarray]:
    return [frame.to_ndarray()[: frame.height].astype(int) for frame in decoded(path)]


def test_the_styles_of_a_film(clip: Path, identity: Path, gray: Path, tmp_path: Path) -> None:
    with Stylizer(identity, CPU) as stylizer:
        text = f"0 '{identity}', 0.5 '{gray}'"
        summary = stylizer.video(clip, tmp_path / "b.mp4", timeline=text, quality=6)
        plain = stylizer.video(clip, tmp_path / "c.mp4", quality=6)
    assert (summary.style, summary.to_json()["style"], plain.style) == ("identity, gray", "identity, gray", "identity")
    assert summary.backend == "torch" and summary.frames == 30
    grays = [abs(np.median(picture) - 200) <= 3 and picture.std() < 8 for picture in pictures(tmp_path / "b.mp4")]
    assert grays == [False] * 15 + [True] * 15


def test_a_range_keeps_the_times_of_the_film(clip: Path, identity: Path, gray: Path, tmp_path: Path) -> None:
    with TimelinePainter(parse_timeline(f"0 '{identity}', 0.6 '{gray}'"), CPU) as painter:
        restyle_video(painter, clip, tmp_path / "b.mp4", VideoOptions(start=0.4, end=0.8, quality=6))
    assert [picture.std() < 8 for picture in pictures(tmp_path / "b.mp4")] == [False] * 6 + [True] * 6


def test_a_film_that_does_not_begin_at_0(identity: Path, gray: Path, tmp_path: Path) -> None:
    times = [512 * (n + 50) for n in range(20)]
    source = Clip(tmp_path / "a.ts", times=times, options={"bf": "0", "crf": "10"}).make()
    with TimelinePainter(parse_timeline(f"0 '{identity}', 0.4 '{gray}'"), CPU) as painter:
        restyle_video(painter, source, tmp_path / "b.mkv", VideoOptions(quality=6))
    assert [picture.std() < 8 for picture in pictures(tmp_path / "b.mkv")] == [False] * 10 + [True] * 10


def test_a_timeline_longer_than_the_film_is_refused(clip: Path, identity: Path, gray: Path, tmp_path: Path) -> None:
    with TimelinePainter(parse_timeline(f"0 '{identity}', 0:02 '{gray}'"), CPU) as painter:
        with pytest.raises(InputError, match=r"gray.* at 0:02, but .*clip.mp4 ends at 0:01"):
            restyle_video(painter, clip, tmp_path / "b.mp4")
    with MultiDevice(painter.timeline, ["cpu", "cpu"], CPU) as two, pytest.raises(InputError, match="ends at"):
        two.video(clip, tmp_path / "b.mp4")
    assert not list(tmp_path.iterdir())


def begin_work(painter: TimelinePainter, source: Path, target: Path) -> None:
    """Work that ends after the first fragment."""
    stop = threading.Event()

    def enough(now: Progress) -> None:
        if now.frames > FRAGMENT + 5:
            stop.set()

    with pytest.raises(Cancelled):
        restyle_video(painter, source, target, VideoOptions(quality=10, resume=True), progress=enough, cancel=stop)


def test_a_resumed_film_is_the_same(painter: TimelinePainter, long_clip: Path, tmp_path: Path) -> None:
    resumable = VideoOptions(quality=10, resume=True)
    whole, target = tmp_path / "whole.mp4", tmp_path / "b.mp4"
    restyle_video(painter, long_clip, whole, resumable)
    begin_work(painter, long_clip, target)
    assert work_folder(target).is_dir()
    assert restyle_video(painter, long_clip, target, resumable).resumed == FRAGMENT
    assert all(np.array_equal(a, b) for a, b in zip(pictures(target), pictures(whole), strict=True))


def test_work_of_another_timeline_is_not_continued(styles: Styles, gray: Path, long_clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    text = f"0 '{styles.first}', 1 '{gray}' morph"
    with TimelinePainter(parse_timeline(f"{text} 1"), CPU) as painter:
        begin_work(painter, long_clip, target)
    with TimelinePainter(parse_timeline(f"{text} 2"), CPU) as other:
        with pytest.raises(InputError, match=r"b.mp4"):
            restyle_video(other, long_clip, target, VideoOptions(quality=10, resume=True))


def test_parts_on_two_devices_make_the_same_film(painter: TimelinePainter, long_clip: Path, tmp_path: Path) -> None:
    options = VideoOptions(quality=10)
    restyle_video(painter, long_clip, tmp_path / "one.mp4", options)
    with MultiDevice(painter.timeline, ["cpu", "cpu"], CPU) as two:
        summary = two.video(long_clip, tmp_path / "two.mp4", options)
    assert summary.parts == 2 and summary.style == painter.style.name
    pairs = zip(pictures(tmp_path / "one.mp4"), pictures(tmp_path / "two.mp4"), strict=True)
    assert max(np.abs(a - b).mean() for a, b in pairs) < 2  # key frames stand elsewhere
