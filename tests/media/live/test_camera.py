"""Live sources: names, pictures at their own pace, and sources that go away and come back."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
import pytest

from realtime.errors import InputError, MediaError
from realtime.media.live import v4l2
from realtime.media.live.camera import Camera, Shot, fit
from realtime.media.live.refusals import refusal
from realtime.media.live.sources import Target, parse_source
from tests.helpers.clips import Clip
from tests.helpers.sender import SIZE, Sender, free_port, level
from tests.helpers.waiting import WAIT, wait_for

FORMATS = frozenset({"lavfi", "x11grab", "gdigrab", "avfoundation", "dshow", "v4l2", "mpegts"})


# Names


@pytest.mark.parametrize(
    ("text", "platform", "kind", "url", "form"),
    [
        ("0", "linux", "camera", "/dev/video0", "v4l2"),
        ("2", "darwin", "camera", "2:none", "avfoundation"),
        ("/dev/video3", "linux", "camera", "/dev/video3", "v4l2"),
        ("rtsp://host/x", "linux", "stream", "rtsp://host/x", None),
        ("https://host/x.m3u8", "win32", "stream", "https://host/x.m3u8", None),
        ("udp://127.0.0.1:9", "linux", "stream", "udp://127.0.0.1:9", None),
        ("lavfi:testsrc2=rate=30", "linux", "generated", "testsrc2=rate=30", "lavfi"),
        ("x11grab::0.0+5,7", "linux", "screen", ":0.0+5,7", "x11grab"),
        ("gdigrab:desktop", "win32", "screen", "desktop", "gdigrab"),
        ("avfoundation:Capture screen 0:none", "darwin", "screen", "Capture screen 0:none", "avfoundation"),
        ("avfoundation:0:0", "darwin", "camera", "0:0", "avfoundation"),
        ("dshow:video=Good Camera", "win32", "camera", "video=Good Camera", "dshow"),
        ("mpegts:udp://127.0.0.1:9", "linux", "stream", "udp://127.0.0.1:9", "mpegts"),
        ("screen", "win32", "screen", "desktop", "gdigrab"),
        ("screen", "darwin", "screen", "Capture screen 0:none", "avfoundation"),
    ],
)
def test_names_of_sources(text: str, platform: str, kind: str, url: str, form: str | None) -> None:
    target = parse_source(text, platform=platform, formats=FORMATS)
    assert (target.kind, target.url, target.format) == (kind, url, form)
    assert target.comes_back == (kind in ("camera", "screen", "stream"))


def test_the_screen_of_linux_is_the_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":7")
    assert parse_source("screen", platform="linux").url == ":7"
    monkeypatch.delenv("DISPLAY")
    with pytest.raises(MediaError, match="DISPLAY"):
        parse_source("screen", platform="linux")


def test_a_file_is_a_file_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "lavfi:film.mp4"
    path.write_bytes(b"")
    target = parse_source(str(path))
    assert (target.kind, target.format) == ("file", None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing.mp4", "no such file"),
        ("gopher://x", "no protocol 'gopher'"),
        ("nosuch:thing", "no input format 'nosuch'"),
        ("lavfi:", "name a source after the colon"),
        ("x" * 5000, "no such file"),
        ("lavfi:" + "x" * 5000, "FFmpeg cannot make this"),
    ],
    ids=lambda value: value[:12],
)
def test_unknown_names(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Camera(text)
    assert "\n" not in str(caught.value)


def test_a_folder_and_a_text_file_are_no_source(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        Camera(str(tmp_path))
    path = tmp_path / "text.mp4"
    path.write_text("just some text\n" * 50)
    with pytest.raises(InputError, match="not a media file"):
        Camera(str(path))


# Refusals


CAMERA = Target("0", "camera", "/dev/video0", "v4l2")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EBUSY, "camera 0: is in use by another program"),
        (errno.ENOENT, "camera 0: not found; there is Good Camera at /dev/video4"),
        (errno.ENODEV, "camera 0: not found"),
        (errno.EACCES, "camera 0: no permission"),
        (errno.ENOTTY, "camera 0: is not a camera"),
        (errno.EINVAL, "camera 0: cannot be opened"),
    ],
)
def test_a_camera_that_cannot_be_opened(number: int, words: str) -> None:
    cameras = [("/dev/video4", "Good Camera")]
    said = refusal(CAMERA, OSError(number, os.strerror(number)), 5, cameras=lambda: cameras)
    assert words in str(said) and "\n" not in str(said)
    assert said.worth_another_try == (number == errno.EINVAL)


def test_no_camera_at_all() -> None:
    assert "this machine has no camera" in str(refusal(CAMERA, OSError(errno.ENOENT, ""), 5, cameras=list))


@pytest.mark.skipif(not v4l2.KNOWN, reason="cameras have numbers there, but no device files")
def test_an_unknown_device() -> None:
    with pytest.raises(InputError, match="/dev/video977: not found"):
        Camera("/dev/video977")


def test_a_stream_that_is_refused() -> None:
    with pytest.raises(InputError, match="the connection was refused; is the sender running"):
        Camera(f"tcp://127.0.0.1:{free_port()}")


def test_a_stream_that_stays_silent() -> None:
    begin = time.perf_counter()
    with pytest.raises(InputError, match=r"nothing arrived within 0\.5 s"):
        Camera(f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}", open_seconds=0.5)
    assert time.perf_counter() - begin < WAIT


# Pictures


def test_a_generated_source_comes_at_its_own_rate_and_complete() -> None:
    with Camera("lavfi:testsrc2=size=64x48:rate=100:duration=0.5") as camera:
        assert (camera.width, camera.height, camera.nominal_rate) == (64, 48, 100)
        assert camera.sample.y.shape == (48, 64)
        assert "64x48" in camera.description and camera.sounds is None
        begin = time.perf_counter()
        shots = list(camera)
    assert time.perf_counter() - begin >= 0.48  # never faster than its own rate
    assert [shot.number for shot in shots] == list(range(50))
    assert all(a.captured < b.captured for a, b in itertools.pairwise(shots))
    assert (camera.lost, camera.status, camera.reconnects) == ("", "", 0)
    with pytest.raises(RuntimeError, match="once"):
        iter(camera)


def test_a_file_is_played_with_its_own_times(tmp_path: Path) -> None:
    times = [0, 10, 20, 50, 60, 90]
    path = Clip(tmp_path / "a.mkv", times=[10 * t for t in times], time_base=Fraction(1, 1000), rate=100).make()
    with Camera(str(path)) as camera:
        shots = list(camera)
    assert len(shots) == len(times)
    for shot, at in zip(shots, times, strict=True):  # never early; how late depends on the machine
        assert shot.captured - shots[0].captured > at / 100 - 0.005


def test_stop_ends_it_at_once() -> None:
    with Camera("lavfi:testsrc2=size=64x48:rate=0.05") as camera:
        got: list[Shot] = []
        thread = threading.Thread(target=lambda: got.extend(camera))
        thread.start()
        wait_for(lambda: got, "picture")
        begin = time.perf_counter()
        camera.stop()
        thread.join(WAIT)
    assert len(got) == 1
    assert time.perf_counter() - begin < 10  # and not the twenty seconds to the next picture


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("rgbtestsrc=size=64x48:rate=30,format=rgb24", None),
        ("testsrc2=size=64x48:rate=30,format=yuyv422", None),
        ("testsrc2=size=64x48:rate=30,format=yuvj422p", None),
        ("testsrc2=size=65x49:rate=30,format=yuv444p", None),
        ("testsrc2=size=640x480:rate=30,format=nv12", 120),
        ("testsrc2=size=640x480:rate=30", (96, 64)),
    ],
)
def test_every_pixel_format_becomes_planes(source: str, size: int | tuple[int, int] | None) -> None:
    with Camera(f"lavfi:{source}", size=size) as camera:
        frame = next(iter(camera)).frame
    assert (camera.width, camera.height) == {120: (160, 120), (96, 64): (96, 64)}.get(size, (64, 48))  # type: ignore[call-overload]
    assert frame.y.shape == (camera.height, camera.width)
    assert frame.u.shape == frame.v.shape == (camera.height // 2, camera.width // 2)
    assert frame.color.range == "limited"
    assert int(frame.y.min()) >= 16 and int(frame.y.max()) <= 240


def test_full_range_becomes_limited() -> None:
    with Camera("lavfi:color=c=white:size=64x48:rate=30,format=yuvj420p") as camera:
        assert abs(int(next(iter(camera)).frame.y[20, 20]) - 235) <= 1


def test_a_turned_film_is_shown_upright(tmp_path: Path) -> None:
    path = Clip(tmp_path / "a.mp4", size=(96, 64), setup=lambda c, s: s.set_display_rotation(90)).make()
    with Camera(str(path)) as camera:
        assert (camera.width, camera.height) == (64, 96)
        shot = next(iter(camera))
    assert shot.frame.y.shape == (96, 64)
    assert int(shot.frame.y[-8:, :8].mean()) < 60  # the mark from the top left corner


@pytest.mark.parametrize(("size", "out"), [(None, (852, 480)), (240, (426, 240)), ((100, 51), (100, 50))])
def test_fit(size: int | tuple[int, int] | None, out: tuple[int, int]) -> None:
    assert fit(853, 480, size) == out


@pytest.mark.parametrize("size", [8, 0, (4, 400), (20000, 400)])
def test_impossible_sizes(size: int | tuple[int, int]) -> None:
    with pytest.raises(InputError, match="sides from 16"):
        fit(640, 480, size)


def test_sound_comes_only_while_somebody_listens() -> None:
    graph = "testsrc2=size=64x48:rate=50:duration=1[out0];sine=frequency=440:sample_rate=48000:duration=1[out1]"
    with Camera(f"lavfi:{graph}") as camera:
        assert camera.sounds is not None
        heard, shots = [], []
        for shot in camera:
            shots.append(shot)
            heard += camera.sounds.take()
            if shot.number == 10:
                assert not heard
                camera.sounds.listen(True)
    assert heard and {piece.rate for piece in heard} == {48000}
    # On the clock of the pictures: the sound of a picture has its time of capture.
    assert shots[10].captured - 0.2 < heard[0].time
    assert np.allclose(np.diff([piece.time for piece in heard]), 1024 / 48000, atol=0.05)


# Real streams over the loopback


@pytest.fixture
def senders() -> Iterator[list[Sender]]:
    running: list[Sender] = []
    yield running
    for sender in running:
        sender.cut()


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_a_stream_that_is_cut_off_comes_back(protocol: str, senders: list[Sender]) -> None:
    port = free_port(socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM)
    url = f"{protocol}://127.0.0.1:{port}"
    if protocol == "udp":
        receive, send = url, url + "?pkt_size=1316"
        senders.append(Sender(send))
    else:
        receive, send = url, url + "?listen=1"
        senders.append(Sender(send))
    camera = _opened(receive, read_seconds=1.0)
    shots: list[Shot] = []
    thread = threading.Thread(target=lambda: shots.extend(camera), daemon=True)
    thread.start()
    wait_for(lambda: len(shots) >= 10, "pictures")
    senders[0].cut()
    wait_for(lambda: "trying again" in camera.status, "word of the loss")
    before = len(shots)
    senders.append(Sender(send))
    wait_for(lambda: len(shots) >= before + 10, "pictures after the cut")
    assert camera.reconnects >= 1 and camera.status == "" and camera.lost == ""
    camera.stop()
    thread.join(WAIT)
    assert [shot.number for shot in shots] == list(range(len(shots)))
    levels = {level(number) for number in range(8)}
    for shot in shots:
        assert shot.frame.y.shape == SIZE[::-1]
        assert min(abs(int(np.median(shot.frame.y)) - wanted) for wanted in levels) <= 3


def _opened(url: str, **options: float) -> Camera:
    """A camera, opened as soon as the sender is ready."""
    deadline = time.perf_counter() + WAIT
    while True:
        try:
            return Camera(url, open_seconds=WAIT, reconnect=WAIT, **options)
        except InputError:
            if time.perf_counter() > deadline:
                raise
            time.sleep(0.2)


def test_a_stream_that_stays_away_ends_it(senders: list[Sender]) -> None:
    url = f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    senders.append(Sender(url + "?pkt_size=1316"))
    camera = Camera(url, open_seconds=WAIT, read_seconds=0.5, reconnect=0.6)
    count = 0
    for shot in camera:
        count += 1
        if shot.number == 5:
            senders[0].cut()
    assert count >= 6
    assert "did not come back in 0.6 s" in camera.lost


def test_a_lost_source_is_opened_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Camera("lavfi:testsrc2=size=64x48:rate=30", reconnect=20)
    pauses, now = [], [0.0]

    class Waits:
        def is_set(self) -> bool:
            return False

        def wait(self, seconds: float) -> bool:
            pauses.append(seconds)
            now[0] += seconds
            return False

    def refuse(seconds: float) -> None:
        raise MediaError("still away")

    monkeypatch.setattr(camera, "_stop", Waits())
    monkeypatch.setattr(camera, "_connect", refuse)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    assert not camera._come_back("it was unplugged")
    assert pauses[:6] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0]
    assert sum(pauses) == pytest.approx(20)
    assert "it was unplugged" in camera.lost


# A real screen


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed (Debian: apt-get install xvfb)")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "321x203x24"], pass_fds=[write], stderr=subprocess.DEVNULL
    )
    os.close(write)
    with os.fdopen(read) as said:
        name = f":{said.readline().strip()}"
    yield name
    server.send_signal(signal.SIGTERM)
    server.wait()


def test_a_screen(display: str) -> None:
    with Camera(f"x11grab:{display}", rate=25) as camera:
        assert (camera.width, camera.height, camera.target.kind) == (320, 202, "screen")
        shots = []
        for shot in camera:
            shots.append(shot)
            if len(shots) == 5:
                camera.stop()
    assert all(0 <= time.perf_counter() - shot.captured < WAIT for shot in shots)
    assert (shots[0].frame.color.matrix, shots[0].frame.color.range) == ("bt709", "limited")
    assert int(np.median(shots[-1].frame.y)) == 16  # black


def test_a_part_of_a_screen(display: str) -> None:
    with Camera(f"x11grab:{display}+20,10", options={"video_size": "100x80"}) as camera:
        assert next(iter(camera)).frame.y.shape == (80, 100)


@pytest.mark.skipif("x11grab" not in av.formats_available, reason="this build of FFmpeg has no x11grab")
def test_no_such_screen() -> None:
    with pytest.raises(InputError, match="the screen cannot be captured"):
        Camera("x11grab::977")
