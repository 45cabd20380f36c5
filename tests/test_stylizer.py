"""The public object: files, pictures and frames through an open style, and everything closed at the end."""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import realtime
from realtime import EngineOptions, InputError, PaintOptions, StyleError, Stylizer, VideoOptions
from realtime.engines.onnx.openvino_session import openvino_problem
from realtime.media.convert.rgb import rgb_from_frame
from realtime.media.files.stills import read_image, write_image
from realtime.results import Progress, VideoSummary
from tests.helpers.clips import Clip, rgb_pictures
from tests.helpers.pans import Scene, pan
from tests.helpers.transnets import CPU, GRAY

PICTURE = np.full((20, 30, 3), 90, np.uint8)
GRAY_RGB = round((GRAY - 16) * 255 / 219)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Clip(tmp_path_factory.mktemp("clip") / "a.mp4", frames=12).make()


@pytest.fixture
def stylizer(identity: Path) -> Iterator[Stylizer]:
    with Stylizer(identity, CPU) as opened:
        yield opened


# Files


def test_a_video_with_options_and_keywords(stylizer: Stylizer, clip: Path, tmp_path: Path) -> None:
    calls: list[Progress] = []
    options = VideoOptions(end=0.2, size=32)
    summary = stylizer.video(clip, tmp_path / "a.mp4", options, size="64x48", progress=calls.append)
    assert isinstance(summary, VideoSummary)
    assert (summary.frames, summary.working_size) == (5, "64x48")  # keywords are stronger
    assert calls[-1].frames == 5
    assert stylizer.video(clip, tmp_path / "b.mp4", end=0.2).working_size == "96x64"


def test_several_videos(stylizer: Stylizer, clip: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a.mp4", "c.mp4"):
        (folder / name).write_bytes(clip.read_bytes())
    (folder / "b.mp4").write_bytes(b"no video")
    entries: list[object] = []
    summary = stylizer.videos([folder], out, end=0.2, done=entries.append)
    assert (summary.done, summary.failed, summary.skipped, summary.frames) == (2, 1, 0, 10)
    assert tuple(entries) == summary.videos
    assert [entry.status for entry in summary.videos] == ["done", "failed", "done"]
    assert sorted(p.name for p in out.iterdir()) == ["a.mp4", "c.mp4"]
    again = stylizer.videos([folder], out, end=0.2, skip_existing=True)
    assert (again.done, again.failed, again.skipped) == (0, 1, 2)
    other = stylizer.videos([str(folder / "[ac].mp4")], out, end=0.2, format="mkv")
    assert (other.done, other.failed) == (2, 0)
    assert len(list(rgb_pictures(out / "a.mkv"))) == 5


def test_image_files(stylizer: Stylizer, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", PICTURE)
    summary = stylizer.pictures([tmp_path / "a.png"], tmp_path / "b.png", size=40)
    assert (summary.images, summary.style) == (1, "identity")
    assert read_image(tmp_path / "b.png").shape == (40, 60, 3)


# Pictures in memory


def test_each_picture_keeps_its_type(stylizer: Stylizer, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", PICTURE)
    given = [PICTURE, tmp_path / "a.png", Image.fromarray(PICTURE), torch.from_numpy(PICTURE).permute(2, 0, 1)]
    styled = stylizer.images(given)
    assert [type(picture) for picture in styled] == [np.ndarray, np.ndarray, Image.Image, torch.Tensor]
    assert np.array_equal(styled[0], PICTURE) and np.array_equal(styled[1], PICTURE)
    assert np.array_equal(np.asarray(styled[2]), PICTURE)
    assert np.array_equal(styled[3].permute(1, 2, 0).numpy(), PICTURE)
    assert np.array_equal(stylizer.image(PICTURE), PICTURE)
    assert stylizer.images([]) == []


def test_frames_are_painted_lazily(stylizer: Stylizer) -> None:
    asked: list[int] = []

    def given() -> Iterator[np.ndarray]:
        for number in range(5):
            asked.append(number)
            yield np.full((16 + number // 3, 24, 3), 40 * number, np.uint8)

    styled = stylizer.frames(given())
    assert asked == [] and iter(styled) is styled
    for number, picture in enumerate(styled):
        assert picture.shape == (16 + number // 3, 24, 3)
        assert np.abs(picture.astype(int) - 40 * number).max() <= 2
    assert asked == list(range(5))


def test_frames_are_those_of_a_film_and_images_are_not(textured: Path) -> None:
    """The texture goes with the camera from frame to frame; of pictures, each begins anew."""
    first, second = (rgb_from_frame(frame) for frame in pan(Scene(1, periods=(6, 100)), [(0, 0), (0, 12)], (96, 128)))
    with Stylizer(textured, CPU) as stylizer:
        alone = [stylizer.image(picture) for picture in (first, second)]
        assert np.array_equal(stylizer.images([first, second]), alone)
        film = list(stylizer.frames([first, second, first]))
        again = list(stylizer.frames([second]))
    assert np.array_equal(film[0], alone[0]) and np.array_equal(again[0], alone[1])
    assert not np.array_equal(film[1], alone[1])
    # what the camera sees a second time gets the same paint
    assert np.array_equal(film[2], alone[0])


def test_paint_options(gray: Path) -> None:
    with Stylizer(gray, CPU) as stylizer:
        assert abs(int(stylizer.image(PICTURE).mean()) - GRAY_RGB) <= 1
        half = stylizer.image(PICTURE, PaintOptions(strength=0.5))
        assert abs(int(half.mean()) - (90 + GRAY_RGB) / 2) <= 2
        assert np.array_equal(next(stylizer.frames([PICTURE], strength=0)), PICTURE)


@pytest.mark.parametrize(
    ("options", "word"),
    [({"strength": 1.5}, "strength"), ({"size": "big"}, "size"), ({"hdr": "no"}, "hdr"), ({"start": "soon"}, "start")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_out_of_range(stylizer: Stylizer, clip: Path, tmp_path: Path, options: dict, word: str) -> None:
    with pytest.raises(InputError, match=word):
        stylizer.video(clip, tmp_path / "out.mp4", **options)
    assert not list(tmp_path.iterdir())


def test_unknown_styles_and_options(stylizer: Stylizer, identity: Path) -> None:
    with pytest.raises(TypeError, match="did you mean strength"):
        stylizer.image(PICTURE, strenght=1)
    with pytest.raises(TypeError, match="did you mean backend"):
        Stylizer(identity, backends="torch")
    with pytest.raises(InputError, match="backend"):
        Stylizer(identity, backend="tensor")  # type: ignore[arg-type]
    with pytest.raises(StyleError, match="did you mean starry-night"):
        Stylizer("stary-night")


# The style, and closing


def test_setting_the_style(identity: Path, gray: Path) -> None:
    with Stylizer(identity, CPU) as stylizer:
        frames = stylizer.frames(iter([PICTURE] * 20))
        assert np.array_equal(next(frames), PICTURE)
        before = threading.active_count()
        stylizer.style = gray
        assert stylizer.style.name == "gray" and "'gray'" in repr(stylizer)
        assert abs(int(list(frames)[-1].mean()) - GRAY_RGB) <= 1
        assert threading.active_count() == before  # the engine of the first one is closed
        with pytest.raises(StyleError, match="none"):
            stylizer.style = "none"
        assert stylizer.style.name == "gray"
        assert abs(int(stylizer.image(PICTURE).mean()) - GRAY_RGB) <= 1


def test_paint_and_stroke(picture: Path, identity: Path) -> None:
    with Stylizer(picture, CPU, paint=0.2) as stylizer:
        assert (stylizer.style.name, stylizer.paint, stylizer.stroke) == ("flowers", 0.2, 1.0)
        frames = stylizer.frames(iter([PICTURE] * 3))
        little = next(frames)
        stylizer.paint = 1
        assert (stylizer.paint, stylizer.stroke) == (1, 1)
        much = next(frames)
        stylizer.stroke = 0.5
        stylizer.paint = None
        assert (stylizer.paint, stylizer.stroke) == (0.5, 0.5)
        small = next(frames)
        assert not np.array_equal(little, much) and not np.array_equal(much, small)
        with pytest.raises(InputError, match="paint: 1.5"):
            stylizer.paint = 1.5
        # The stroke size that was chosen has no meaning for these weights.
        with pytest.raises(InputError, match="identity: is a checkpoint, which has no inputs for paint and stroke"):
            stylizer.style = identity
        stylizer.stroke = None
        stylizer.style = identity
        assert (stylizer.paint, stylizer.stroke) == (None, None)
        assert np.array_equal(stylizer.image(PICTURE), PICTURE)
        with pytest.raises(InputError, match="identity: is a checkpoint"):
            stylizer.paint = 0.4
        stylizer.style = f"great-wave:0.5+{picture}:0.5"
        assert (stylizer.style.name, stylizer.paint) == ("great-wave:0.5+flowers:0.5", 0.5)


def test_paint_and_stroke_in_an_options_object(picture: Path) -> None:
    with Stylizer(picture, CPU, realtime.StyleOptions(paint=0.1, stroke=2), stroke=1.5) as stylizer:
        assert (stylizer.paint, stylizer.stroke) == (0.1, 1.5)  # keywords are stronger
    with pytest.raises(InputError, match="starry-night: is a gallery style"):
        Stylizer("starry-night", CPU, paint=0.3)
    with pytest.raises(TypeError, match="did you mean stroke"):
        Stylizer(picture, CPU, strok=1)


def resources() -> tuple[int, int]:
    """Threads of Python and open files of this process."""
    folder = Path("/proc/self/fd")
    return threading.active_count(), len(os.listdir(folder)) if folder.is_dir() else 0


BACKENDS = [
    "torch",
    "onnx",
    pytest.param(
        "openvino", marks=pytest.mark.skipif(bool(openvino_problem()), reason=openvino_problem() or "it is there")
    ),
]


@pytest.mark.parametrize("backend", BACKENDS)
def test_closing_leaves_neither_threads_nor_files(backend: str, identity: Path, clip: Path, tmp_path: Path) -> None:
    def work(name: str) -> None:
        options = EngineOptions(backend=backend, device="cpu", precision="fp32", threads=2)  # type: ignore[arg-type]
        with Stylizer(identity, options) as stylizer:
            assert stylizer.engine.backend == backend and backend in stylizer.description
            stylizer.video(clip, tmp_path / f"{name}.mp4")
            stylizer.image(PICTURE)
            unfinished = stylizer.frames(iter([PICTURE] * 9))
            next(unfinished)
        stylizer.close()  # once more

    work("first")  # libraries keep files of their own open
    before = resources()
    work("second")
    assert resources() == before


def test_a_style_that_cannot_be_opened_leaves_no_thread(tmp_path: Path) -> None:
    (tmp_path / "damaged.safetensors").write_bytes(b"nothing")
    before = threading.active_count()
    with pytest.raises(StyleError, match="damaged"):
        Stylizer(tmp_path / "damaged.safetensors", CPU)
    assert threading.active_count() == before


def test_an_error_in_the_block_closes_too(identity: Path) -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        with Stylizer(identity, CPU):
            raise ZeroDivisionError
    assert threading.active_count() == before


# What Python shows


def test_the_package_lists_its_public_names() -> None:
    listed = set(dir(realtime))
    assert set(realtime.__all__) <= listed
    for name in realtime.__all__:
        assert getattr(realtime, name) is not None
    with pytest.raises(AttributeError, match="Stylist"):
        realtime.Stylist  # noqa: B018


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        (Stylizer.__init__, EngineOptions),
        (Stylizer.__init__, realtime.StyleOptions),
        (Stylizer.video, VideoOptions),
        (Stylizer.videos, VideoOptions),
        (Stylizer.pictures, realtime.ImageOptions),
        (Stylizer.image, PaintOptions),
        (Stylizer.images, PaintOptions),
        (Stylizer.frames, PaintOptions),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_signatures_and_help_show_every_option(method: object, kind: type[PaintOptions]) -> None:
    parameters = inspect.signature(method).parameters  # type: ignore[arg-type]
    assert not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    for declared in kind.fields():
        assert parameters[declared.name].default == declared.default
        assert declared.info.help in (method.__doc__ or "")


def test_the_styles_of_the_gallery() -> None:
    cards = realtime.styles()
    assert "starry-night" in [card.name for card in cards]
    assert all(card.path is not None and card.path.is_file() for card in cards)
    assert max(len(repr(card)) - len(str(card.path)) for card in cards) < 150
