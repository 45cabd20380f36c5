"""The live loop: newest first, nothing piles up, everything is counted, and whatever ends it ends all of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime.errors import RestyleError, StageError
from realtime.frames import Frame
from realtime.jobs.live.controls import Controls
from realtime.jobs.live.loop import NoScreen, Session
from realtime.jobs.live.painter import LivePainter, Look
from realtime.jobs.live.recording import ActiveRecording, free_name
from realtime.jobs.live.resolution_controller import ResolutionController
from realtime.media.live.camera import Shot
from realtime.media.live.overlay import Overlay
from realtime.options import PaintOptions, StyleOptions
from tests.helpers.clips import decoded
from tests.helpers.live import PlainStyle
from tests.helpers.planes import flat

SIZE = (64, 48)


class Source:
    """Pictures whose brightness tells their number, as fast as `wait` lets them come."""

    def __init__(self, count: int, wait: Callable[[int], object] = lambda number: None) -> None:
        self.count, self.wait, self.rate, self.status, self.lost = count, wait, 30.0, "", ""
        self.stopped = threading.Event()
        self.closed = False

    def __iter__(self) -> Iterator[Shot]:
        for number in range(self.count):
            self.wait(number)
            if self.stopped.is_set():
                return
            yield Shot(flat(*SIZE[::-1], 20 + number % 200), number, time.perf_counter())

    def stop(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        self.closed = True


class Same(PlainStyle):
    """A style that changes nothing."""

    def __init__(self, name: str = "same", work: Callable[[Frame], object] = lambda frame: None) -> None:
        super().__init__(name)
        self.work = work

    def paint(self, frame: Frame, paint: PaintOptions) -> Frame:
        self.work(frame)
        return frame


class Seen(NoScreen):
    """A screen that remembers, and presses keys when the test says so."""

    def __init__(self, keys: Callable[[int], list[str]] = lambda shown: []) -> None:
        self.levels: list[int] = []
        self.overlays: list[Overlay] = []
        self.pressing = keys
        self.full = 0
        self.threads: set[str] = set()

    def show(self, frame: Frame, overlay: Overlay) -> None:
        self.threads.add(threading.current_thread().name)
        self.levels.append(int(frame.y[0, 0]) - 20)
        self.overlays.append(overlay)

    def keys(self) -> list[str]:
        return self.pressing(len(self.levels))

    def toggle_full_screen(self) -> None:
        self.full += 1


def one_at_a_time(count: int, screen: Seen) -> Source:
    """A source whose pictures wait until the one before was shown, so that none is dropped under any load."""
    source = Source(count)

    def wait(number: int) -> None:
        while len(screen.levels) < number and not source.stopped.wait(0.001):
            pass

    source.wait = wait
    return source


def session(source: Any, screen: Any = None, styles: Any = None, **options: Any) -> Session:
    styles = styles or [Same()]
    controls = Controls([style.name for style in styles], Look())
    return Session(source, LivePainter(styles, ResolutionController((SIZE,))), screen or Seen(), controls, **options)


def test_no_picture_is_dropped_if_the_screen_keeps_up() -> None:
    screen = Seen()
    done = session(one_at_a_time(60, screen), screen).run()
    assert (done.frames_in, done.frames_out, done.dropped, done.end) == (60, 60, 0, "source ended")
    assert screen.levels == list(range(60))
    assert screen.threads == {"MainThread"}  # a window's own
    assert len(done.latencies) == 60 and all(latency > 0 for latency in done.latencies)


def test_under_overload_the_newest_picture_is_shown_and_the_others_are_counted() -> None:
    screen, begun, all_given = Seen(), threading.Event(), threading.Event()
    source = Source(200)

    def slow(frame: Frame) -> None:
        begun.set()
        assert all_given.wait(60)  # the first one waits until the source has given all the others

    def wait(number: int) -> None:
        if number == 1:
            assert begun.wait(60)
        if number == 199:
            all_given.set()

    source.wait = wait
    done = session(source, screen, [Same(work=slow)]).run()
    assert screen.levels[0] == 0 and screen.levels[-1] == 199 and len(screen.levels) <= 4
    assert screen.levels == sorted(screen.levels)
    assert (done.frames_in, done.frames_in - done.dropped) == (200, len(screen.levels))


def test_a_picture_is_painted_while_the_one_before_is_shown() -> None:
    painted, overlapped = threading.Event(), []

    class Slow(Seen):
        def show(self, frame: Frame, overlay: Overlay) -> None:
            super().show(frame, overlay)
            if len(self.levels) == 1:
                painted.clear()
                overlapped.append(painted.wait(60))

    done = session(Source(40, lambda n: time.sleep(0.005)), Slow(), [Same(work=lambda frame: painted.set())]).run()
    assert overlapped == [True] and done.frames_out > 1


@pytest.mark.parametrize(("limit", "end"), [({"frames": 7}, "frames"), ({"seconds": 0.05}, "seconds")])
def test_limits(limit: dict[str, Any], end: str) -> None:
    source = Source(10**9, lambda n: time.sleep(0.002))
    done = session(source, **limit).run()
    assert done.end == end and done.frames_out == limit.get("frames", done.frames_out)
    assert done.frames_in >= done.frames_out and source.stopped.is_set()


def test_quit_by_key_and_by_closing_the_window() -> None:
    source = Source(10**9, lambda n: time.sleep(0.002))
    done = session(source, Seen(lambda shown: ["q"] if shown >= 5 else [])).run()
    assert (done.end, done.frames_out) == ("quit", 5)

    class Closed(Seen):
        @property
        def closed(self) -> bool:  # type: ignore[override]
            return len(self.levels) >= 3

    assert session(Source(10**9, lambda n: time.sleep(0.002)), Closed()).run().frames_out == 3


def test_a_source_that_hangs_does_not_delay_the_end() -> None:
    never = threading.Event()
    source = Source(10**9, lambda n: never.wait(60) if n == 3 else None)
    begin = time.perf_counter()
    done = session(source, Seen(lambda shown: ["q"] if shown >= 1 else [])).run()
    assert done.end == "quit" and time.perf_counter() - begin < 30
    never.set()


def test_ctrl_c_ends_the_run_normally() -> None:
    class Interrupted(Seen):
        def keys(self) -> list[str]:
            if len(self.levels) >= 3:
                raise KeyboardInterrupt
            return []

    source = Source(10**9, lambda n: time.sleep(0.002))
    done = session(source, Interrupted()).run()
    assert (done.end, done.frames_out) == ("interrupted", 2) and source.stopped.is_set()


@pytest.mark.parametrize("error", [RestyleError("the disk is full"), ZeroDivisionError("by zero")])
def test_an_error_in_a_thread_ends_the_run_and_names_the_stage(error: Exception) -> None:
    def fail(frame: Frame) -> None:
        raise error

    source = Source(10**9, lambda n: time.sleep(0.002))
    with pytest.raises(RestyleError) as caught:
        session(source, styles=[Same(work=fail)]).run()
    assert source.stopped.is_set() and source.closed
    if isinstance(error, RestyleError):
        assert caught.value is error
    else:
        assert isinstance(caught.value, StageError) and "infer" in str(caught.value)


def test_keys_change_the_picture_and_the_overlay() -> None:
    pressed: list[str] = []

    def keys(shown: int) -> list[str]:
        wanted = {5: "v", 8: "n", 11: "h", 14: "h", 15: "o", 20: "f"}.get(shown)
        if wanted is None or len(pressed) >= 6 or pressed[-1:] == [f"{wanted}{shown}"]:
            return []
        pressed.append(f"{wanted}{shown}")
        return [wanted]

    screen = Seen(keys)
    run = session(
        Source(10**9, lambda n: time.sleep(0.002)), screen, [Same("one"), Same("two")], about="torch", frames=30
    )
    run.run()
    texts = [" | ".join([*overlay.lines, overlay.message]) for overlay in screen.overlays]
    assert "one" in texts[4] and "torch  64x48" in texts[4]
    assert "split" in texts[6]
    assert "two" in texts[9]
    assert screen.overlays[12].help and not screen.overlays[12].lines
    assert screen.overlays[17].lines == () and screen.full == 1
    figures = next(text for text in reversed(texts) if "fps" in text)
    assert "ms" in figures and "dropped" in figures


def test_the_overlay_says_why_the_chosen_style_is_not_shown_yet() -> None:
    """The second style is being opened; then it fails to open. The first goes on being shown."""
    late = Same("late")
    late.ready = False

    def keys(shown: int) -> list[str]:
        message = screen.overlays[-1].message if screen.overlays else ""
        if shown == 2:
            return ["n"]
        if message == "opening late":
            late.problem = "late: damaged"
        return ["q"] if message == "late: damaged" else []

    screen = Seen(keys)
    done = session(Source(10**9, lambda n: time.sleep(0.002)), screen, [Same("first"), late], seconds=60).run()
    assert done.end == "quit"


def test_knobs_of_the_style_that_is_shown() -> None:
    """Sliders show what a style has; a key for what it has not says so and changes nothing."""
    picture = Same("picture")
    picture.knobs = {"paint", "stroke", "texture"}
    styles = [Same("plain"), picture]
    pressed = {3: ["i"], 5: ["n"], 8: ["i", "u", "g"], 12: ["o"]}
    screen = Seen(lambda shown: pressed.pop(shown, []))
    session(one_at_a_time(15, screen), screen, styles).run()
    assert screen.overlays[3].message == "plain has no paint: a picture as the style has"
    assert all(not overlay.sliders for overlay in screen.overlays[:5])
    before, after = screen.overlays[6].sliders, screen.overlays[8].sliders
    assert [slider.value for slider in before] == ["0.50", "1.00", "1.00"]
    assert [slider.value for slider in after] == ["0.60", "1.19", "0.90"]
    assert not screen.overlays[13].sliders
    assert picture.wishes == [StyleOptions(), StyleOptions(paint=0.6, stroke=2**0.25)]


def test_why_a_network_could_not_be_made_is_shown() -> None:
    style = Same()
    style.notice = "the picture is gone"
    screen = Seen()
    session(one_at_a_time(3, screen), screen, [style]).run()
    assert screen.overlays[-1].message == "the picture is gone"


def test_the_user_is_told_when_the_source_is_lost() -> None:
    """No picture comes, and still the window says why and hears keys."""
    source = Source(10**9)
    back = threading.Event()

    def wait(number: int) -> None:
        if number == 3:
            source.status = "source lost (it was unplugged): trying again"
            back.wait(60)

    source.wait = wait
    screen = Seen()
    screen.pressing = lambda shown: ["q"] if "unplugged" in screen.overlays[-1].message else []
    done = session(source, screen).run()
    assert done.end == "quit"
    back.set()


def test_a_source_that_is_lost_for_good() -> None:
    source = Source(3)
    source.lost = "camera 0 went away"
    assert session(source).run().end == "source lost"


def test_every_shown_picture_goes_to_the_virtual_camera() -> None:
    sent: list[int] = []

    class Camera:
        def send(self, frame: Frame) -> None:
            sent.append(int(frame.y[0, 0]) - 20)

    screen = Seen()
    session(Source(50, lambda n: time.sleep(0.002)), screen, sinks=[Camera()]).run()
    assert sent == screen.levels


# Recordings


class Spy(ActiveRecording):
    """A recording that remembers what it was given."""

    def __init__(self, path: Path, first: Frame) -> None:
        super().__init__(path, first, rate=30, own=None, microphone=None, need_sound=False, source="test", quality=5)
        self.given: list[tuple[int, float]] = []

    def write(self, frame: Frame, *, captured: float, shown: float) -> None:
        self.given.append((int(frame.y[0, 0]), shown))
        super().write(frame, captured=captured, shown=shown)


def test_a_recording_holds_what_was_shown_when_it_was_shown(tmp_path: Path) -> None:
    screen, path = Seen(), tmp_path / "a.mp4"
    active = Spy(path, flat(*SIZE[::-1], 20))
    done = session(one_at_a_time(40, screen), screen, first_recording=active).run()
    (recording,) = done.recordings
    assert recording.frames == done.frames_out == len(screen.levels)
    assert [value - 20 for value, _ in active.given] == screen.levels
    pictures = decoded(path)
    for picture, (value, shown) in zip(pictures, active.given, strict=True):
        assert abs(float(picture.time) - (shown - active.given[0][1])) < 0.0005
        assert abs(float(np.median(picture.to_ndarray()[: SIZE[1]])) - value) <= 2


def test_recordings_by_key(tmp_path: Path) -> None:
    made: list[Spy] = []

    def begin(first: Frame) -> Spy:
        made.append(Spy(free_name(tmp_path / "a.mp4"), first))
        return made[-1]

    state = {"pressed": 0}

    def keys(shown: int) -> list[str]:
        """Record, wait until something is in it, stop; twice; then quit."""
        recording = screen.overlays[-1].recording if screen.overlays else False
        written = bool(made) and len(made[-1].given) >= 5
        wanted = [not recording and not made, recording and written, len(done) == 1 and not recording]
        wanted += [recording and len(made) == 2 and written, len(done) == 2]
        if state["pressed"] < 5 and wanted[state["pressed"]]:
            state["pressed"] += 1
            return ["q" if state["pressed"] == 5 else "r"]
        return []

    screen = Seen(keys)
    run = session(Source(10**9, lambda n: time.sleep(0.002)), screen, record=begin, seconds=120)
    done = run.outcome.recordings
    outcome = run.run()
    assert outcome.end == "quit"
    assert [Path(recording.path).name for recording in outcome.recordings] == ["a.mp4", "a-2.mp4"]
    for recording in outcome.recordings:
        assert len(decoded(Path(recording.path))) == recording.frames >= 5


def test_a_failed_recording_does_not_end_the_run(tmp_path: Path) -> None:
    class Broken(Spy):
        def write(self, frame: Frame, *, captured: float, shown: float) -> None:
            if len(self.given) == 4:
                raise RestyleError("a.mkv: the disk is full; what was written is kept")
            super().write(frame, captured=captured, shown=shown)

    active = Broken(tmp_path / "a.mkv", flat(*SIZE[::-1], 20))
    screen = Seen()
    done = session(one_at_a_time(30, screen), screen, first_recording=active).run()
    assert done.frames_out == 30
    (recording,) = done.recordings
    assert recording.frames == 4 and "disk is full" in recording.problem
    assert any("disk is full" in warning for warning in done.warnings)
    assert len(decoded(tmp_path / "a.mkv")) == 4


def test_failed_recordings_and_snapshots_become_warnings(tmp_path: Path) -> None:
    def refuse(frame: Frame) -> Any:
        raise RestyleError("the folder is gone")

    screen = Seen(lambda shown: {3: ["r"], 6: ["s"]}.get(shown, []))
    done = session(one_at_a_time(60, screen), screen, record=refuse, save=refuse).run()
    assert {"no recording: the folder is gone", "no snapshot: the folder is gone"} <= set(done.warnings)
    assert done.end == "source ended" and done.recordings == []


def test_a_snapshot(tmp_path: Path) -> None:
    saved: list[int] = []

    def save(frame: Frame) -> str:
        saved.append(int(frame.y[0, 0]) - 20)
        return "a.png"

    pressed = threading.Event()

    def keys(shown: int) -> list[str]:
        if shown < 5 or pressed.is_set():
            return []
        pressed.set()
        return ["s"]

    screen = Seen(keys)
    done = session(one_at_a_time(60, screen), screen, save=save).run()
    assert done.snapshots == 1 and len(saved) == 1
