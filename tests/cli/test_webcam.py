"""`restyle webcam`: options, the summary, and one clear line for whatever cannot be."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from realtime.media.live import v4l2
from tests.helpers.sender import free_port

SOURCE = "lavfi:testsrc2=size=64x48:rate=60"
FLAGS = ["--backend", "torch", "--device", "cpu", "--threads", "1"]


@pytest.fixture
def webcam(restyle: Any, identity: Path) -> Any:
    """`restyle webcam` with a style that changes nothing, without messages."""

    def run(*args: object) -> Any:
        named = () if "--style" in args else ("--style", identity)
        return restyle("webcam", *named, *FLAGS, "--quiet", *args)

    return run


@pytest.mark.parametrize(
    "option",
    "--style --camera --size --rate --camera-option --reconnect --strength --texture --keep-color --mirror --split "
    "--hold --record --sound --encoder --quality --overwrite --folder --virtual-camera --headless --full-screen "
    "--frames --seconds --backend --device --precision --batch --threads --json --quiet --debug".split(),
)
def test_every_option_is_in_the_help(restyle: Any, option: str) -> None:
    assert option in restyle("webcam", "--help").out


def test_a_short_run(webcam: Any) -> None:
    done = webcam("--camera", SOURCE, "--headless", "--frames", 10, "--json")
    assert done.code == 0, done.err
    assert done.err == ""
    summary = done.json
    assert set("frames_in frames_out dropped fps latency_ms device backend".split()) <= set(summary)
    assert {"p50", "p95", "p99"} <= set(summary["latency_ms"])
    assert summary["frames_out"] == 10 and summary["style"] == "identity"


def test_messages_go_to_stderr(restyle: Any, identity: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    done = restyle("webcam", "-s", identity, "-c", SOURCE, "--headless", "--frames", 10, "--record", path, *FLAGS)
    assert done.code == 0 and done.out == ""
    first, second, third = (line for line in done.err.splitlines() if not line.startswith("note: "))
    assert "64x48" in first and "identity" in first and "torch on cpu" in first
    assert second.startswith("10 pictures shown") and third.startswith(f"{path}: 10 pictures")


def test_options_reach_the_filter(webcam: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    done = webcam(
        "-c", "lavfi:color=white:size=64x48:rate=60", "--headless", "--frames", 5, "--json", "--record", path,
        "--size", "128x96", "--strength", 0.5, "--mirror", "--split", "--hold", 4, "--keep-color",
        "--encoder", "libx264", "--quality", 30, "--seconds", 60, "--reconnect", 1, "--sound", "off",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["size"] == "128x96"
    assert done.json["recordings"][0]["encoder"] == "libx264"


def refused(done: Any, *words: str) -> None:
    assert done.code == 2, done.err
    for word in words:
        assert word in done.error
    assert done.out == ""


@pytest.mark.skipif(not v4l2.KNOWN, reason="cameras have numbers there, but no device files")
def test_no_camera_and_unknown_device(webcam: Any) -> None:
    refused(webcam("--camera", "977", "--headless"), "camera 977", "not found")
    refused(webcam("--camera", "/dev/video977", "--headless"), "/dev/video977", "not found")


def test_a_refused_stream(webcam: Any) -> None:
    refused(webcam("--camera", f"tcp://127.0.0.1:{free_port()}", "--headless"), "refused", "is the sender running")


def test_unknown_sources(webcam: Any) -> None:
    refused(webcam("--camera", "nothing.mp4", "--headless"), "nothing.mp4", "no such file")
    refused(webcam("--camera", "lavfi:nosuchfilter", "--headless"), "nosuchfilter")
    refused(webcam("--camera", "nosuch:thing", "--headless"), "nosuch")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")
def test_no_display(webcam: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    refused(webcam("--camera", SOURCE), "no display", "--headless")
    monkeypatch.setenv("DISPLAY", ":977")
    refused(webcam("--camera", SOURCE), ":977", "--headless")


def test_no_virtual_camera(webcam: Any) -> None:
    if any(Path("/dev").glob("video*")):
        pytest.skip("this machine has video devices: one of them may be a virtual camera")
    refused(webcam("--camera", SOURCE, "--headless", "--virtual-camera"), "virtual camera")
    refused(webcam("--camera", SOURCE, "--headless", "--virtual-camera-device", "/dev/video9"), "virtual camera")


def test_wrong_outputs_and_styles(webcam: Any, tmp_path: Path) -> None:
    there = tmp_path / "there.mp4"
    there.write_bytes(b"precious")
    common = ["--camera", SOURCE, "--headless", "--frames", 3]
    refused(webcam(*common, "--record", there), "there.mp4", "--overwrite")
    refused(webcam(*common, "--record", tmp_path / "a.avi"), "a.avi", ".mkv")
    refused(webcam(*common, "--record", tmp_path / "no" / "a.mp4"), "does not exist")
    refused(webcam(*common, "--folder", tmp_path / "no"), "no such folder")
    refused(webcam(*common, "--style", "stary-nihgt"), "stary-nihgt")
    assert there.read_bytes() == b"precious" and os.listdir(tmp_path) == ["there.mp4"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--size", "0"], "--size: '0' is neither"),
        (["--size", "8"], "sides from 16"),
        (["--size", "tall"], "640x360"),
        (["--strength", "2"], "between 0 and 1"),
        (["--hold", "99"], "--hold"),
        (["--frames", "0"], "--frames"),
        (["--batch", "2"], "--batch"),
        (["--camera-option", "framerate"], "KEY=VALUE"),
        (["--reconnect", "-1"], "--reconnect"),
        (["--sound", "nosuch:x", "--record", "never.mkv"], "nosuch"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_options(webcam: Any, args: list[str], words: str) -> None:
    refused(webcam("--camera", SOURCE, "--headless", "--frames", 3, *args), words)
    assert not Path("never.mkv").exists()


def test_a_camera_option_reaches_ffmpeg(webcam: Any) -> None:
    """lavfi takes its graph from that file, which is not there."""
    done = webcam(
        "--camera", SOURCE, "--headless", "--frames", 3, "--json", "--camera-option", "graph_file=nothing.txt"
    )
    assert done.code == 2 and "FFmpeg cannot make this" in done.error
