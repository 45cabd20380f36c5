"""The live loop: capture, paint, show; and the counting of pictures."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from realtime import pipeline
from realtime.errors import RestyleError
from realtime.frames import Frame
from realtime.jobs.live.controls import HELP, Controls
from realtime.jobs.live.handover import Handover
from realtime.jobs.live.knobs import KNOB_OF_KEY, sliders
from realtime.jobs.live.outcome import Outcome, percentile
from realtime.jobs.live.painter import LivePainter, Picture
from realtime.jobs.live.recording import ActiveRecording
from realtime.media.live.camera import Shot
from realtime.media.live.overlay import Overlay

_IDLE_SECONDS = 0.02
_REDRAW_SECONDS = 0.1
_SILENT_SECONDS = 1.0
_MESSAGE_SECONDS = 2.5
_FIGURES_SECONDS = 0.5
_RECENT_PICTURES = 60
_SOURCE_END_SECONDS = 1.5
_ENCODER_END_SECONDS = 10.0


class Source(Protocol):
    """A source of pictures: a `realtime.media.live.camera.Camera`."""

    def __iter__(self) -> Iterator[Shot]: ...
    def stop(self) -> None: ...
    @property
    def rate(self) -> float: ...
    @property
    def status(self) -> str: ...
    @property
    def lost(self) -> str: ...


class Screen(Protocol):
    """Shows pictures: a `realtime.media.live.window.Window`."""

    def show(self, frame: Frame, overlay: Overlay) -> None: ...
    def keys(self) -> list[str]: ...
    def toggle_full_screen(self) -> None: ...
    @property
    def closed(self) -> bool: ...


class NoScreen:
    """A screen that shows nothing and has no keys, for servers and tests."""

    closed = False

    def show(self, frame: Frame, overlay: Overlay) -> None:
        """Nothing."""

    def keys(self) -> list[str]:
        """None."""
        return []

    def toggle_full_screen(self) -> None:
        """Nothing."""


class Sink(Protocol):
    """Receives every picture after it was shown: a `realtime.media.live.virtual_camera.VirtualCamera`."""

    def send(self, frame: Frame) -> None: ...


class Session:
    """One run of the live filter, from the first picture to the end."""

    def __init__(
        self,
        source: Source,
        painter: LivePainter,
        screen: Screen,
        controls: Controls,
        *,
        about: str = "",
        sinks: Sequence[Sink] = (),
        record: Callable[[Frame], ActiveRecording] | None = None,
        first_recording: ActiveRecording | None = None,
        save: Callable[[Frame], str] | None = None,
        frames: int | None = None,
        seconds: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Args:
        source: captures pictures.
        painter: paints them.
        screen: shows them.
        controls: what the keys do.
        about: backend and device, for the overlay.
        sinks: receive every shown picture.
        record: begins a recording of pictures like this one.
        first_recording: a recording that begins with the first picture.
        save: saves a picture; returns its path.
        frames: end after this many pictures were shown.
        seconds: end this long after the first picture was shown.
        clock: the present in seconds; the clock of the source's capture times.
        """
        self._source, self._painter, self._screen, self._controls = source, painter, screen, controls
        self._about, self._sinks, self._open_recording, self._save = about, sinks, record, save
        self._frames, self._seconds, self._clock = frames, seconds, clock
        self.outcome = Outcome()
        self._handover = Handover()
        self._failure: BaseException | None = None
        self._recording = first_recording
        self._recording_opens = False
        self._recording_lock = threading.Lock()
        self._helpers: list[threading.Thread] = []
        self._last: Picture | None = None
        self._last_shown = 0.0
        self._recent: deque[tuple[float, float]] = deque(maxlen=_RECENT_PICTURES)
        self._message, self._message_until = "", 0.0
        self._figures_text, self._figures_until = "", 0.0
        self._drawn = 0.0

    def run(self) -> Outcome:
        """Captures, paints and shows until something ends the run.

        Returns:
            what was done; also after Ctrl-C, where `end` is "interrupted".

        Raises:
            RestyleError: a stage failed, or a recording could not be completed. What was recorded is kept.
        """
        runner = threading.Thread(target=self._work, name="restyle-live", daemon=True)
        runner.start()
        try:
            self._show_all(runner)
        except KeyboardInterrupt:
            self.outcome.end = "interrupted"
        finally:
            self._source.stop()
            self._handover.close()
            # A source may be inside a call of FFmpeg that takes long to end; the user need not wait for that.
            runner.join(_SOURCE_END_SECONDS)
            for helper in self._helpers:
                helper.join(_ENCODER_END_SECONDS)
            self._end_recording("")
        self.outcome.seconds = self._last_shown - self.outcome.first_shown
        if self._failure is not None:
            raise self._failure
        return self.outcome

    # The pipeline's threads

    def _work(self) -> None:
        try:
            pipeline.run(
                self._source,
                lambda shots: [self._painter.paint(shot, self._controls.look, 1 / self._source.rate) for shot in shots],
                self._deliver,
                batch=1,
                depth=1,
                policy="drop-oldest",
            )
        except BaseException as error:  # raised again in the main thread
            self._failure = error

    def _deliver(self, picture: Picture) -> None:
        shown = self._handover.give(picture)
        if shown is None:
            return
        for sink in self._sinks:
            sink.send(picture.frame)
        with self._recording_lock:
            if self._recording is None:
                return
            try:
                self._recording.write(picture.frame, captured=picture.shot.captured, shown=shown)
                return
            except RestyleError as error:
                problem = str(error)
        self._end_recording(problem)

    # The main thread

    def _show_all(self, runner: threading.Thread) -> None:
        while True:
            picture = self._handover.next(_IDLE_SECONDS)
            now = self._clock()
            if picture is not None:
                self._last = picture
                self._screen.show(picture.frame, self._overlay(now))
                keys = self._screen.keys()
                shown = self._clock()
                self._handover.done(shown)
                self._count(picture, shown)
                self._drawn = shown
            else:
                if self._last is not None and now - self._drawn > _REDRAW_SECONDS:
                    self._screen.show(self._last.frame, self._overlay(now))
                    self._drawn = now
                keys = self._screen.keys()
                if not runner.is_alive():
                    self.outcome.end = "source lost" if self._source.lost else "source ended"
                    return
            if self._over(keys):
                return

    def _count(self, picture: Picture, shown: float) -> None:
        outcome = self.outcome
        if not outcome.frames_out:
            outcome.first_shown = shown
        self._last_shown = shown
        outcome.frames_out += 1
        outcome.frames_in = picture.shot.number + 1
        latency = shown - picture.shot.captured
        outcome.latencies.append(latency)
        self._recent.append((shown, latency))

    def _over(self, keys: list[str]) -> bool:
        outcome = self.outcome
        for key in keys:
            if self._pressed(key):
                outcome.end = "quit"
                return True
        if self._screen.closed:
            outcome.end = "quit"
        elif self._frames is not None and outcome.frames_out >= self._frames:
            outcome.end = "frames"
        elif (
            self._seconds is not None
            and outcome.frames_out
            and self._clock() - self.outcome.first_shown >= self._seconds
        ):
            outcome.end = "seconds"
        else:
            return False
        return True

    def _pressed(self, key: str) -> bool:
        """Carries out a key. Returns whether the run ends."""
        before = self._controls.look.style
        style = self._painter.styles[before]
        knob = KNOB_OF_KEY.get(key.lower())
        if knob is not None and knob.name not in style.knobs:
            reason = f"has no {knob.name}: a picture as the style has" if style.ready else "is not open yet"
            self.say(f"{style.name} {reason}")
            return False
        command = self._controls.press(key)
        if self._controls.look.style != before:
            self.say(self._controls.style)
        if command == "snapshot" and self._last is not None and self._save is not None:
            self._help(self._snapshot, self._last.frame)
        elif command == "record" and self._last is not None and self._open_recording is not None:
            if self._recording is not None:
                self._help(self._end_recording, "")
            elif not self._recording_opens:
                self._recording_opens = True
                self._help(self._start_recording, self._last.frame)
        elif command == "full-screen":
            self._screen.toggle_full_screen()
        return command == "quit"

    # Text on the picture

    def say(self, text: str) -> None:
        """Shows a message for a few seconds."""
        self._message, self._message_until = text, self._clock() + _MESSAGE_SECONDS

    def _overlay(self, now: float) -> Overlay:
        controls = self._controls
        if controls.help:
            return Overlay(help=HELP)
        message = self._source.status
        if not message and self._recent and now - self._recent[-1][0] > _SILENT_SECONDS:
            message = f"no picture for {now - self._recent[-1][0]:.0f} s"
        if not message and now < self._message_until:
            message = self._message
        style = self._painter.styles[controls.look.style]
        if not message and not style.ready:
            message = style.problem or f"opening {style.name}"
        message = message or style.notice
        active = self._recording
        lines: tuple[str, ...] = ()
        if controls.overlay and self._last is not None:
            width, height = self._last.frame.width, self._last.frame.height
            size = f"{width}x{height}"
            if self._last.size != (width, height):
                size += f", painted at {self._last.size[0]}x{self._last.size[1]}"
            lines = (f"{controls.style}  {self._figures(now)}", f"{self._about}  {size}")
            more = [controls.words, "" if active is None else f"recording {active.seconds:.0f} s"]
            if any(more):
                lines += (", ".join(text for text in more if text),)
        shown = sliders(controls.look, style.knobs) if lines else ()
        return Overlay(lines, message, recording=active is not None, sliders=shown)

    def _figures(self, now: float) -> str:
        """Rate, latency and dropped pictures, renewed twice a second so that they can be read."""
        if now >= self._figures_until and len(self._recent) > 1:
            (begin, _), (end, _) = self._recent[0], self._recent[-1]
            fps = (len(self._recent) - 1) / (end - begin) if end > begin else 0.0
            latency = percentile([latency for _, latency in self._recent], 0.5)
            self._figures_text = f"{fps:.1f} fps  {1000 * latency:.0f} ms  {self.outcome.dropped} dropped"
            self._figures_until = now + _FIGURES_SECONDS
        return self._figures_text

    # Work in threads of its own: it must not delay the pictures

    def _help(self, work: Callable[..., None], argument: object) -> None:
        helper = threading.Thread(target=work, args=(argument,), name="restyle-helper", daemon=True)
        self._helpers = [old for old in self._helpers if old.is_alive()] + [helper]
        helper.start()

    def _snapshot(self, frame: Frame) -> None:
        assert self._save is not None
        try:
            self.say(f"saved {self._save(frame)}")
            self.outcome.snapshots += 1
        except RestyleError as error:
            self._warn(f"no snapshot: {error}")

    def _start_recording(self, frame: Frame) -> None:
        assert self._open_recording is not None
        try:
            active = self._open_recording(frame)
        except RestyleError as error:
            self._warn(f"no recording: {error}")
            return
        finally:
            self._recording_opens = False
        with self._recording_lock:
            self._recording = active
        self.say(f"recording to {active.path}")

    def _end_recording(self, problem: str) -> None:
        with self._recording_lock:
            active, self._recording = self._recording, None
        if active is None:
            return
        try:
            recording = active.finish(problem)
        except RestyleError as error:
            self._warn(f"recording: {error}")
            return
        finally:
            self.outcome.notes += active.notes
        if problem:
            self._warn(f"recording: {problem}")
        if recording.frames:
            self.outcome.recordings.append(recording)
            self.say(f"recorded {recording.seconds:.0f} s to {recording.path}")

    def _warn(self, text: str) -> None:
        self.outcome.warnings.append(text)
        self.say(text)
