"""Films through a style with a texture plane: whole, interrupted and in parts they are the same, bit for bit."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from realtime.engines.painter import FramePainter
from realtime.errors import RestyleError
from realtime.frames import Frame
from realtime.jobs.multi_device import MultiDevice
from realtime.jobs.partition import paint_part, plan_parts
from realtime.jobs.scene_tracking import TrackedFrames, scene_motion, starts, stretches, tracked, travel_over
from realtime.jobs.video import restyle_video
from realtime.media.convert.scene_motion import Travel
from realtime.media.files.fragments import FRAMES as FRAGMENT
from realtime.media.files.fragments import work_folder
from realtime.media.files.reader import VideoReader
from realtime.options import VideoOptions
from realtime.pipeline import Cancelled
from tests.helpers.clips import decoded
from tests.helpers.networks import checkpoint
from tests.helpers.pans import PanClip, Scene, luma_frame
from tests.helpers.surfaces import HostSurfaces
from tests.helpers.textured import LOCAL, textured_network
from tests.helpers.transnets import CPU

FRAMES = 3 * FRAGMENT + 20
CUTS = (150, 290)
LOSSLESS = VideoOptions(encoder="ffv1")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Longer than three fragments, with two cuts and few key frames."""
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    return PanClip(path, frames=FRAMES, size=(96, 64), cuts=CUTS, options={"crf": "14", "g": "70", "bf": "2"}).make()


@pytest.fixture(scope="module")
def painter(textured: Path) -> Iterator[FramePainter]:
    with FramePainter(textured, CPU) as opened:
        yield opened


@pytest.fixture(scope="module")
def whole(painter: FramePainter, film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The film, made in one piece."""
    target = tmp_path_factory.mktemp("whole") / "b.mkv"
    assert restyle_video(painter, film, target, LOSSLESS).frames == FRAMES
    return target


def same(a: Path, b: Path) -> None:
    ours, theirs = ([picture.to_ndarray() for picture in decoded(path)] for path in (a, b))
    assert len(ours) == len(theirs) == FRAMES
    assert [n for n, (x, y) in enumerate(zip(ours, theirs, strict=True)) if not np.array_equal(x, y)] == []


def origins(frames: Sequence[Frame]) -> list[tuple[float, float]]:
    return [frame.origin for frame in frames]


def test_frames_are_painted_where_the_camera_is(painter: FramePainter, film: Path, whole: Path) -> None:
    with VideoReader(film) as reader:
        motion = scene_motion()
        placed = [motion(frame) for frame in reader]
    for number in (0, 100, CUTS[0] - 1, CUTS[0], CUTS[0] + 10, FRAMES - 1):
        since = number - max(cut for cut in (0, *CUTS) if cut <= number)
        assert placed[number].origin == pytest.approx((0.5 * since, 1.5 * since), rel=0.04, abs=2)
    pictures = decoded(whole)
    for number in (100, CUTS[0]):
        [styled] = painter.paint([placed[number]])
        assert np.array_equal(pictures[number].to_ndarray()[:64], styled.y)


def test_an_interrupted_film_that_is_resumed(painter: FramePainter, film: Path, whole: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.mkv"
    encoded = 0

    def fail(name: str, frames: Sequence[Frame], begin: float, end: float) -> None:
        nonlocal encoded
        encoded += name == "encode"
        if encoded > FRAGMENT + 60:
            raise RestyleError("interrupted")

    with pytest.raises(RestyleError, match="interrupted"):
        restyle_video(painter, film, target, LOSSLESS.replace(resume=True), trace=fail)
    summary = restyle_video(painter, film, target, LOSSLESS.replace(resume=True))
    assert (summary.resumed, summary.frames) == (FRAGMENT, FRAMES)
    same(whole, target)


def test_parts_on_two_devices(textured: Path, film: Path, whole: Path, tmp_path: Path) -> None:
    with MultiDevice(textured, ["cpu", "cpu"], CPU) as two:
        assert two.video(film, tmp_path / "b.mkv", LOSSLESS).parts == 2
    same(whole, tmp_path / "b.mkv")


def test_parts_after_earlier_work(
    textured: Path, painter: FramePainter, film: Path, whole: Path, tmp_path: Path
) -> None:
    """The first part that is left does not begin with the film."""
    target = tmp_path / "b.mkv"
    parts, _ = plan_parts(painter, film, target, 3, LOSSLESS)
    paint_part(painter, film, target, parts[0], LOSSLESS)
    with MultiDevice(textured, ["cpu", "cpu"], CPU) as two:
        summary = two.video(film, target, LOSSLESS.replace(resume=True))
    assert (summary.resumed, summary.parts) == (FRAGMENT, 2)
    assert not work_folder(target).exists()
    same(whole, target)


def test_where_parts_begin(painter: FramePainter, film: Path, tmp_path: Path) -> None:
    parts, _ = plan_parts(painter, film, tmp_path / "b.mkv", 3, LOSSLESS)
    with VideoReader(film) as reader:
        frames = list(tracked(painter, reader))
    begins = [0, FRAGMENT, 2 * FRAGMENT]
    assert [part.begin for part in parts] == [frames[n].pts for n in begins]
    assert [part.before for part in parts] == [None, *(frames[n - 1].pts for n in begins[1:])]
    travels = [Travel(), *(travel_over(film, stretch, LOSSLESS) for stretch in stretches(parts)[1:])]
    assert [travel.since_cut for travel in travels] == [False, False, True]
    found = starts(travels)
    assert [start.origin for start in found[1:]] == [frames[n - 1].origin for n in begins[1:]]
    for part, start in zip(parts, found, strict=True):
        with VideoReader(film, part=(part.before, part.stop)) as reader:
            ours = list(TrackedFrames(reader, start, part.begin))
        first = part.first * FRAGMENT
        assert origins(ours) == origins(frames[first : first + len(ours)])


def test_a_pass_over_the_film_can_be_cancelled(textured: Path, film: Path, tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        travel_over(film, (None, 10**9), LOSSLESS, cancel=cancel)
    with MultiDevice(textured, ["cpu", "cpu"], CPU) as two, pytest.raises(Cancelled):
        two.video(film, tmp_path / "b.mkv", LOSSLESS, cancel=cancel)
    assert not list(tmp_path.iterdir())


def test_frames_in_a_devices_memory(painter: FramePainter, film: Path) -> None:
    """They lie where those that were decoded in software do, and are not copied for that."""
    with VideoReader(film, surfaces=HostSurfaces()) as reader:
        ours = list(tracked(painter, reader))
    with VideoReader(film) as reader:
        theirs = list(tracked(painter, reader))
    assert origins(ours) == origins(theirs)
    assert not any(frame.fetched for frame in ours)  # type: ignore[attr-defined]


def test_strokes_go_with_the_sky(tmp_path: Path) -> None:
    """A pan over an almost plain sky, in steps that suit the network's cells: the strokes of the second frame are those
    of the first one moved, and strokes that are held to the screen are not."""
    path = checkpoint(tmp_path, textured_network(LOCAL))
    clouds, rng = Scene(3, periods=(40, 200), contrast=2, size=(480, 800)), np.random.default_rng(0)
    gradient = np.linspace(150, 140, 192)[:, None]
    skies = [luma_frame(gradient + clouds.view(0, 8 * n, 192, 320) + rng.normal(0, 1, (192, 320))) for n in range(2)]
    motion = scene_motion()
    placed = [motion(sky) for sky in skies]

    def change(frames: Sequence[Frame]) -> float:
        with FramePainter(path, CPU) as painter:
            first, second = (painter.paint([frame])[0].y.astype(float) for frame in frames)
        inner = slice(64, -64)  # away from the borders, where the network sees what is not there
        return float(np.abs(np.roll(first, -8, 1) - second)[inner, inner].mean())

    assert change(placed) < 0.1 * change(skies)


def test_other_styles_are_not_followed(same_painter: FramePainter, film: Path) -> None:
    with VideoReader(film) as reader:
        assert tracked(same_painter, reader) is reader


def test_the_reader_is_closed_with_its_frames(painter: FramePainter, film: Path) -> None:
    closed: list[bool] = []

    class Noted(VideoReader):
        def close(self) -> None:
            closed.append(True)
            super().close()

    frames = tracked(painter, Noted(film))
    assert isinstance(frames, TrackedFrames)
    next(iter(frames))
    assert not closed
    frames.close()
    assert closed
