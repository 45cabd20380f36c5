"""The whole live filter, from a real source to the file: headless, and in a real window under a virtual display."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from realtime.errors import InputError
from realtime.jobs.live.webcam import run_live
from realtime.media.live.camera import Camera, Shot
from realtime.options import EngineOptions, LiveOptions
from realtime.results import LiveSummary
from tests.helpers.clips import decoded
from tests.helpers.processes import restyle_process
from tests.helpers.sender import Sender, free_port, level
from tests.helpers.transnets import GRAY
from tests.helpers.waiting import WAIT, wait_for

ENGINE = EngineOptions(backend="torch", device="cpu", threads=1)
FLAGS = ["--backend", "torch", "--device", "cpu", "--threads", "1"]


def headless(style: Path, source: str, **options: Any) -> LiveSummary:
    """The live filter on a source without a window."""
    return run_live([style], LiveOptions(camera=source, headless=True, **options), ENGINE)


def test_a_generated_source(identity: Path) -> None:
    done = headless(identity, "lavfi:testsrc2=size=64x48:rate=50", frames=20)
    assert done.frames_out == 20 and done.frames_in == 20 + done.dropped
    assert (done.end, done.size, done.working_size, done.style) == ("frames", "64x48", "64x48", "identity")
    assert (done.backend, done.device, done.styles) == ("torch", "cpu", ("identity",))
    assert 0 < done.latency_ms.p50 <= done.latency_ms.p95 <= done.latency_ms.p99
    assert done.first_picture_seconds is not None and done.first_picture_seconds > 0
    assert json.loads(json.dumps(done.to_json())) == done.to_json()


def test_a_source_that_ends(identity: Path) -> None:
    done = headless(identity, "lavfi:testsrc2=size=64x48:rate=50:duration=0.3")
    assert done.end == "source ended" and done.frames_in == 15


def test_a_given_size_is_fixed(gray: Path, tmp_path: Path) -> None:
    done = headless(gray, "lavfi:testsrc2=size=640x480:rate=50", size=64, frames=5, record=tmp_path / "a.mkv")
    assert done.size == done.working_size == "86x64"
    for picture in decoded(tmp_path / "a.mkv"):
        assert (picture.width, picture.height) == (86, 64)
        assert abs(int(np.median(picture.to_ndarray()[:64])) - GRAY) <= 3


FLASHES = (
    "lavfi:color=black:size=64x48:rate=30,drawbox=w=64:h=48:color=white:t=fill:enable='lt(mod(t,0.8),0.2)'[out0];"
    "aevalsrc='if(lt(mod(t,0.8),0.2),0.5*sin(2*PI*1000*t),0)':s=44100[out1]"
)


def test_the_sources_own_sound_is_in_step(identity: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    done = headless(identity, FLASHES, seconds=3.5, record=path)
    (recording,) = done.recordings
    assert recording.sound == "aac" and recording.frames == done.frames_out
    bright = [(float(f.time), f.to_ndarray()[:48].mean() > 120) for f in decoded(path)]
    flashes = [t for (_, before), (t, now) in itertools.pairwise(bright) if now and not before]
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    wave = np.concatenate([f.to_ndarray()[0] for f in frames])
    loud = np.flatnonzero(np.abs(wave) > 0.1)
    tones = float(frames[0].time) + loud[1:][np.diff(loud) > 4800] / 48000
    assert len(flashes) >= 3
    # On a busy machine pictures are late, each by another time, or dropped; the sound follows their mean delay.
    late = done.latency_ms.p99 / 1000 + done.dropped / 30
    assert np.median([min(abs(tones - flash)) for flash in flashes[1:]]) < 0.04 + late


def running(*options: object) -> AbstractContextManager[subprocess.Popen[str]]:
    """The command, headless, in a process of its own."""
    return restyle_process("webcam", *options, "--headless", "--json", "--quiet", *FLAGS)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_killed_filter_leaves_a_recording(identity: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with running("-s", identity, "-c", FLASHES, "--record", path):
        wait_for(lambda: path.exists() and path.stat().st_size > 12_000, "recording")
    assert os.listdir(tmp_path) == ["a.mp4"]
    assert len(decoded(path)) > 15
    with av.open(str(path)) as container:
        assert len(list(container.decode(audio=0))) > 10


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send SIGINT to one process")
def test_ctrl_c_completes_the_recording(identity: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with running("-s", identity, "-c", FLASHES, "--record", path) as process:
        wait_for(lambda: path.exists() and path.stat().st_size > 10_000, "recording")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WAIT)
    assert (process.returncode, err) == (130, "interrupted\n")
    done = json.loads(out.splitlines()[-1])
    assert done["end"] == "interrupted"
    assert len(decoded(path)) == done["recordings"][0]["frames"] == done["frames_out"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send SIGINT to one process")
def test_a_stream_that_is_cut_off_comes_back_and_the_recording_goes_on(identity: Path, tmp_path: Path) -> None:
    path, url = tmp_path / "a.mkv", f"tcp://127.0.0.1:{free_port()}"

    def recorded() -> int:
        return path.stat().st_size if path.exists() else 0

    with running("-s", identity, "-c", f"{url}?listen=1", "--record", path, "--reconnect", WAIT) as process:
        for _ in range(2):
            sender, before = Sender(url), recorded()
            wait_for(lambda before=before: recorded() > before + 4000, "recording")  # type: ignore[misc]
            sender.cut()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WAIT)
    assert process.returncode == 130, err
    done = json.loads(out.splitlines()[-1])
    assert done["reconnects"] >= 1 and done["warnings"] == []
    pictures = decoded(path)
    assert len(pictures) == done["frames_out"] > 10
    assert (np.diff([float(p.time) for p in pictures]) > 0).all()
    levels = {level(number) for number in range(8)}
    medians = [int(np.median(p.to_ndarray()[: p.height])) for p in pictures]
    assert all(min(abs(median - wanted) for wanted in levels) <= 4 for median in medians)


def test_errors_before_the_first_picture(identity: Path, tmp_path: Path) -> None:
    source = "lavfi:testsrc2=size=64x48:rate=30"
    with pytest.raises(InputError, match="no such folder"):
        headless(identity, source, folder=tmp_path / "no")
    with pytest.raises(InputError, match="name a style"):
        run_live([], LiveOptions(camera=source, headless=True), ENGINE)
    with pytest.raises(InputError, match="record to .mkv"):
        headless(identity, source, record=tmp_path / "a.avi")
    with pytest.raises(InputError, match="microphone nosuch:x"):
        headless(identity, source, record=tmp_path / "a.mkv", sound="nosuch:x")
    assert os.listdir(tmp_path) == []


def test_everything_is_closed(identity: Path, tmp_path: Path) -> None:
    """No thread is left: neither the camera's, nor the styles', nor the microphone's."""
    before = set(threading.enumerate())
    headless(
        identity, "lavfi:testsrc2=size=64x48:rate=50", frames=5, record=tmp_path / "a.mkv",
        sound="lavfi:sine=frequency=440:sample_rate=44100",
    )  # fmt: skip
    wait_for(lambda: set(threading.enumerate()) <= before, "end of the threads")


def test_a_recording_with_a_microphone(identity: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    microphone = "lavfi:sine=frequency=440:sample_rate=44100"
    done = headless(identity, "lavfi:testsrc2=size=64x48:rate=30", frames=40, record=path, sound=microphone)
    assert done.recordings[0].sound == "aac"
    with av.open(str(path)) as container:
        wave = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert np.abs(wave[9600:]).max() > 0.05


# A real window


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    for program in ("Xvfb", "xdotool"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: apt-get install xvfb xdotool)")
    import cv2

    if "GUI:                           NONE" in cv2.getBuildInformation():
        pytest.skip("this OpenCV has no windows")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "800x600x24"], pass_fds=[write], stderr=subprocess.DEVNULL
    )
    os.close(write)
    with os.fdopen(read) as said:
        name = f":{said.readline().strip()}"
    yield name
    server.terminate()
    server.wait()


class Desk:
    """A display with the filter's window on it: looks at it, and presses keys."""

    def __init__(self, display: str) -> None:
        self.display = display
        self.camera = Camera(f"x11grab:{display}", rate=10)
        self.newest: Shot | None = None
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        for shot in self.camera:
            self.newest = shot

    def do(self, *command: str) -> str:
        done = subprocess.run(
            ["xdotool", *command],
            env={**os.environ, "DISPLAY": self.display},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *error: object) -> None:
        self.camera.stop()

    def find_window(self) -> None:
        """Moves the window to the corner of the screen, and gives it the keys."""

        def focused() -> bool:
            found = self.do("search", "--name", "^restyle$").split()
            if found:
                self.do("windowmove", found[-1], "0", "0")
                self.do("windowfocus", found[-1])
            return bool(found) and self.do("getwindowfocus", "-f") == found[-1]

        wait_for(focused, "window")

    def look(self) -> np.ndarray:
        """(H, W) brightness of the screen, not older than the call."""
        now = time.perf_counter()
        wait_for(lambda: self.newest is not None and self.newest.captured > now, "picture of the screen")
        assert self.newest is not None
        return self.newest.frame.y

    def press_until(self, key: str, seen: Callable[[np.ndarray], object], what: str) -> np.ndarray:
        """Presses a key once, and waits until the screen shows what it did."""
        self.do("key", key)
        return self.wait(seen, what)

    def wait(self, seen: Callable[[np.ndarray], object], what: str) -> np.ndarray:
        screens: list[np.ndarray] = []

        def shown() -> object:
            screens[:] = [self.look()]
            return seen(screens[0])

        wait_for(shown, f"{what} in the window")
        return screens[0]


BACKGROUND = 60


def _dot(screen: np.ndarray) -> bool:
    """Whether the red dot of a recording is there (brightness 98) on the picture of the window, at the top right."""
    return bool((np.abs(screen[:40, 560:700].astype(int) - 90) < 16).sum() > 40)


def test_the_window_shows_the_style_and_obeys_keys(display: str, identity: Path, gray: Path, tmp_path: Path) -> None:
    """Source: a plain surface of brightness 60. One style leaves it as it is, the other paints it in brightness 200."""
    desk = Desk(display)
    source = f"lavfi:color=c=0x{3 * '33'}:size=640x360:rate=20,format=yuv420p"
    command = [
        "webcam",
        "-s",
        str(identity),
        "-s",
        str(gray),
        "-c",
        source,
        "--json",
        "--folder",
        str(tmp_path),
        *FLAGS,
    ]

    def at(screen: np.ndarray, x: int) -> int:
        """The brightness of the picture there, below the overlay."""
        return int(np.median(screen[150:300, x : x + 60]))

    def near(value: int, wanted: int) -> bool:
        return abs(value - wanted) <= 4

    with restyle_process(*command, env={**os.environ, "DISPLAY": display}) as process, desk:
        desk.find_window()
        first = desk.wait(
            lambda s: near(at(s, 50), BACKGROUND) and near(at(s, 500), BACKGROUND), "the camera's picture"
        )
        assert int(first[:60, :300].max()) > 200 and int(np.median(first[8:20, 8:200])) < 40  # the overlay
        desk.press_until("n", lambda s: near(at(s, 50), GRAY) and near(at(s, 500), GRAY), "the second style")
        desk.press_until("v", lambda s: near(at(s, 50), BACKGROUND) and near(at(s, 500), GRAY), "the split view")
        desk.press_until("m", lambda s: near(at(s, 500), GRAY), "a mirrored picture")
        half = (BACKGROUND + GRAY) // 2
        for step in range(1, 6):
            wanted = GRAY - step * (GRAY - BACKGROUND) // 10
            desk.press_until("minus", lambda s, w=wanted: near(at(s, 500), w), "less strength")  # type: ignore[misc]
        desk.press_until("o", lambda s: int(s[:60, :250].max()) < 70, "a picture without overlay")
        desk.press_until("h", lambda s: int(s[60:340, 80:400].max()) > 200 and at(s, 560) < half - 30, "the help")
        desk.press_until("h", lambda s: near(at(s, 500), half), "the picture again")
        desk.press_until("r", lambda s: any(tmp_path.glob("*.mp4")), "a recording")
        desk.wait(_dot, "that it records")
        recording = next(tmp_path.glob("*.mp4"))
        wait_for(lambda: recording.stat().st_size > 3000, "recorded pictures")
        desk.press_until("s", lambda s: any(tmp_path.glob("*.png")), "a snapshot")
        desk.press_until("r", lambda s: not _dot(s), "the end of the recording")
        desk.do("key", "q")
        out, err = process.communicate(timeout=WAIT)
    assert process.returncode == 0, err
    assert "Traceback" not in err and "Qt" not in err
    done = json.loads(out.splitlines()[-1])
    assert (done["end"], done["style"], done["snapshots"]) == ("quit", "gray", 1)
    assert (
        done["styles"][:2] == ["identity", "gray"] and "starry-night" in done["styles"]
    )  # the gallery is on the keys, too
    (entry,) = done["recordings"]
    pictures = decoded(recording)
    assert len(pictures) == entry["frames"] > 0
    last = pictures[-1].to_ndarray()[:360]
    assert near(int(np.median(last[150:300, 50:110])), BACKGROUND) and near(
        int(np.median(last[150:300, 500:560])), half
    )
    assert int(last[:60, :250].max()) < 100  # no overlay in it


def test_the_screen_is_captured_while_a_window_is_shown_on_it(display: str, gray: Path) -> None:
    """Both use X, with libraries of their own (PyAV's, OpenCV's) that disturb each other in one process."""
    command = ["webcam", "-s", gray, "-c", "screen", "--size", "200", "--rate", "10", "--frames", "10", "--json"]
    with restyle_process(*command, *FLAGS, env={**os.environ, "DISPLAY": display}) as process:
        out, err = process.communicate(timeout=WAIT)
    assert process.returncode == 0, err
    summary = json.loads(out.splitlines()[-1])
    assert summary["frames_out"] == 10 and summary["size"] == "266x200" and "x11grab" in summary["source"]
