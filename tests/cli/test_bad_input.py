"""Wrong files, end to end: one line that says what is wrong, exit code 2, and nothing left behind."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from realtime.media.synthetic.demo import write_demo_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_demo_clip(path, seconds=0.5, size=(96, 64))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where outputs go: must be empty after a refusal."""
    path = tmp_path / "outputs"
    path.mkdir()
    return path


def refused(done: Any, *words: str) -> None:
    assert done.code == 2, done.err
    for word in words:
        assert word in done.error
    assert done.out == ""


@pytest.fixture
def run(restyle: Any, random_style: Path) -> Any:
    """`restyle video` without the lines about the engine."""

    def video(*args: object) -> Any:
        options = ["--style", random_style, "--backend", "torch", "--device", "cpu", "--quiet", "--json"]
        return restyle("video", *options, *args)

    return video


def test_a_good_file(run: Any, clip: Path, folder: Path) -> None:
    output = folder / "out.mp4"
    done = run(clip, output)
    assert done.code == 0, done.err
    summary = done.json
    assert set(
        "input output style frames seconds fps backend device precision encoder audio_streams stages".split()
    ) <= set(summary)
    assert summary["frames"] == 15
    assert summary["fps"] == pytest.approx(summary["frames"] / summary["seconds"], rel=0.05)
    assert set(summary["stages"]) == {"decode", "infer", "encode"}
    assert all({"busy_seconds", "fps"} <= set(stage) for stage in summary["stages"].values())
    assert [path.name for path in folder.iterdir()] == ["out.mp4"]


def test_a_missing_file(run: Any, folder: Path) -> None:
    refused(run("nowhere.mp4", folder / "out.mp4"), "nowhere.mp4")
    assert list(folder.iterdir()) == []


def test_a_folder(run: Any, folder: Path) -> None:
    refused(run(folder, folder / "out.mp4"), folder.name)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("content", [b"just some text\n" * 50, b""], ids=["text", "empty"])
def test_a_file_that_is_no_video(run: Any, tmp_path: Path, folder: Path, content: bytes) -> None:
    fake = tmp_path / "fake.mp4"
    fake.write_bytes(content)
    refused(run(fake, folder / "out.mp4"), "fake.mp4")
    assert list(folder.iterdir()) == []


def test_a_file_with_sound_only(run: Any, tmp_path: Path, folder: Path) -> None:
    sound = tmp_path / "sound.m4a"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        container.mux([*stream.encode(frame), *stream.encode(None)])
    refused(run(sound, folder / "out.mp4"), "sound.m4a", "video")
    assert list(folder.iterdir()) == []


def test_an_output_folder_that_does_not_exist(run: Any, clip: Path, folder: Path) -> None:
    refused(run(clip, folder / "deep" / "out.mp4"), "deep")
    assert list(folder.iterdir()) == []


def test_an_output_that_exists(run: Any, clip: Path, folder: Path) -> None:
    output = folder / "out.mp4"
    output.write_bytes(b"precious")
    refused(run(clip, output), "out.mp4", "--overwrite")
    assert output.read_bytes() == b"precious"
    assert run(clip, output, "--overwrite").code == 0
    assert output.read_bytes() != b"precious"


def test_the_input_as_output(run: Any, clip: Path) -> None:
    before = clip.read_bytes()
    refused(run(clip, clip, "--overwrite"), clip.name)
    assert clip.read_bytes() == before


def test_an_output_that_cannot_be_written(run: Any, clip: Path, folder: Path) -> None:
    if os.name == "nt" or os.geteuid() == 0:
        pytest.skip("needs a user whom permissions hold")
    folder.chmod(0o500)
    try:
        refused(run(clip, folder / "out.mp4"), "out.mp4")
    finally:
        folder.chmod(0o700)
    assert list(folder.iterdir()) == []


def test_an_output_of_no_known_kind(run: Any, clip: Path, folder: Path) -> None:
    refused(run(clip, folder / "out.xyz"), "out.xyz", ".mp4")
    assert list(folder.iterdir()) == []


def test_an_unknown_style(run: Any, clip: Path, folder: Path) -> None:
    refused(run(clip, folder / "out.mp4", "--style", "stary-nihgt"), "stary-nihgt", "gallery")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["fake.safetensors", "fake.onnx", "fake.pth", "missing.safetensors"])
def test_a_file_that_is_no_style(run: Any, clip: Path, tmp_path: Path, folder: Path, name: str) -> None:
    if not name.startswith("missing"):
        (tmp_path / name).write_bytes(b"not a network" * 10)
    refused(run(clip, folder / "out.mp4", "--style", tmp_path / name), name)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "0.4", "--end", "0.2"], ["0.4", "0.2"]),
        (["--start", "1:00"], ["60"]),
        (["--encoder", "libx999"], ["libx999", "libx264"]),
        (["--encoder", "aac"], ["aac", "libx264"]),
        (["--quality", "99"], ["99", "51"]),
        (["--device", "cuda:99"], ["cuda"]),
    ],
    ids=lambda value: "-".join(value) if str(value[0]).startswith("--") else "",
)
def test_wrong_options(run: Any, clip: Path, folder: Path, options: list[str], words: list[str]) -> None:
    refused(run(clip, folder / "out.mp4", *options), *words)
    assert list(folder.iterdir()) == []
