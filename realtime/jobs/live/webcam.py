"""Puts the live filter together: source, styles, window, virtual camera, recording."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from realtime.engines.base import Engine
from realtime.errors import InputError
from realtime.frames import Frame
from realtime.jobs.live.controls import Controls
from realtime.jobs.live.loop import NoScreen, Session
from realtime.jobs.live.outcome import Outcome, percentile
from realtime.jobs.live.painter import LivePainter, Look
from realtime.jobs.live.recording import ActiveRecording, free_name
from realtime.jobs.live.resolution_controller import ResolutionController, ladder
from realtime.jobs.live.styles import LiveStyles
from realtime.media.convert import planes
from realtime.media.convert.rgb import rgb_from_frame
from realtime.media.files.stills import write_image
from realtime.media.live import window
from realtime.media.live.camera import Camera
from realtime.media.live.microphone import Microphone, microphones
from realtime.media.live.sound import SoundFeed
from realtime.media.live.virtual_camera import VirtualCamera
from realtime.options import EngineOptions, LiveOptions, PaintOptions, StyleOptions
from realtime.results import Latency, LiveSummary
from realtime.transnet.gallery import styles as gallery

TITLE = "restyle"


def run_live(
    styles: Sequence[str | Path],
    options: LiveOptions = LiveOptions(),
    engine_options: EngineOptions = EngineOptions(),
    style_options: StyleOptions = StyleOptions(),
    *,
    announce: Callable[[str], None] | None = None,
) -> LiveSummary:
    """Runs the live filter until the user, a limit, or the source ends it.

    Args:
        styles: names, paths or blends; the first is shown first. With a window, the rest of the gallery follows on the
            keys.
        options: see `LiveOptions`.
        engine_options: what runs the networks.
        style_options: how the networks of these styles are made from pictures or blends.
        announce: called with a line for people before the first picture.

    Raises:
        InputError: something is not available as asked; nothing was shown.
        RestyleError: something failed during the run; what was recorded is kept.
    """
    began = time.perf_counter()
    if not styles:
        raise InputError("name a style; `restyle styles` lists them")
    if not options.folder.is_dir():
        raise InputError(f"{options.folder}: no such folder for snapshots and recordings")
    if not options.headless:
        window.prepare()
    with ExitStack() as stack:
        source = stack.enter_context(_camera(options))
        whole = (source.width, source.height)
        others = [] if options.headless else _others(styles)
        live_styles = stack.enter_context(LiveStyles(styles, others, engine_options.replace(batch=1), style_options))
        for style in live_styles.all[: len(styles)]:
            style.open().check_paint(options)
        engine = live_styles.all[0].open().engine
        sizes = ladder(*whole) if options.size is None else (whole,)
        painter = LivePainter(live_styles.all, ResolutionController(sizes))
        painter.warm_up(source.sample, 1 / source.rate)
        sinks: list[VirtualCamera] = []
        if options.virtual_camera or options.virtual_camera_device is not None:
            sinks.append(VirtualCamera(*whole, source.rate, device=options.virtual_camera_device))
            stack.callback(sinks[0].close)
        screen: window.Window | NoScreen = NoScreen()
        if not options.headless:
            screen = window.Window(TITLE, *whole, full_screen=options.full_screen)
            stack.callback(screen.close)
        files = _Files(source, options)
        # Opened last: an existing file is replaced by this.
        first_recording = None
        if options.record is not None:
            first_recording = files.open_recording(options.record, options.overwrite, source.sample)
        controls = _controls(options, style_options, [style.name for style in live_styles.all])
        session = Session(
            source,
            painter,
            screen,
            controls,
            about=engine.description,
            sinks=sinks,
            record=files.record,
            save=files.save,
            frames=options.frames,
            seconds=options.seconds,
            first_recording=first_recording,
        )
        if announce is not None:
            announce(f"{source.description} in {live_styles.all[0].name}: {engine.description}")
            if not options.headless:
                announce("press h in the window for the keys, q to quit")
        live_styles.open_others(planes.scale(source.sample, *painter.controller.size))
        outcome = session.run()
        problems = tuple(style.problem for style in live_styles.all if style.problem)
        return _summary(source, painter, controls, outcome, engine, sinks, began, problems)


def _summary(
    source: Camera,
    painter: LivePainter,
    controls: Controls,
    outcome: Outcome,
    engine: Engine,
    sinks: Sequence[VirtualCamera],
    began: float,
    problems: tuple[str, ...],
) -> LiveSummary:
    return LiveSummary(
        source=source.description,
        style=controls.style,
        styles=tuple(controls.styles),
        frames_in=outcome.frames_in,
        frames_out=outcome.frames_out,
        dropped=outcome.dropped,
        seconds=round(outcome.seconds, 3),
        fps=round(outcome.fps, 2),
        latency_ms=_latency(outcome),
        first_picture_seconds=round(outcome.first_shown - began, 3) if outcome.frames_out else None,
        backend=engine.backend,
        device=engine.device,
        precision=engine.precision,
        size=f"{source.width}x{source.height}",
        working_size="{}x{}".format(*painter.controller.size),
        size_changes=painter.controller.changes,
        camera_fps=round(source.rate, 2),
        reconnects=source.reconnects,
        recordings=tuple(outcome.recordings),
        snapshots=outcome.snapshots,
        virtual_camera=sinks[0].device if sinks else None,
        end=outcome.end,
        notes=(*engine.notes, *outcome.notes),
        warnings=(*([source.lost] if source.lost else []), *outcome.warnings, *problems),
    )


def _controls(options: LiveOptions, style_options: StyleOptions, names: Sequence[str]) -> Controls:
    """The state of the keys at the start."""
    look = Look(
        paint=PaintOptions(strength=options.strength, keep_color=options.keep_color, texture=options.texture),
        style_options=style_options,
        mirror=options.mirror,
        split=options.split,
        hold=options.hold,
    )
    return Controls(names, look, overlay=not options.no_overlay)


def _camera(options: LiveOptions) -> Camera:
    return Camera(
        options.camera,
        size=options.size,
        rate=options.rate,
        options=dict(pair.split("=", 1) for pair in options.camera_option),
        reconnect=options.reconnect,
    )


def _others(styles: Sequence[str | Path]) -> list[str]:
    """The styles of the gallery that were not named."""
    named = {str(style) for style in styles}
    return [card.name for card in gallery() if card.name not in named]


def _latency(outcome: Outcome) -> Latency:
    times = outcome.latencies
    quarter = max(1, len(times) // 4)

    def milliseconds(values: Sequence[float], share: float) -> float:
        return round(1000 * percentile(values, share), 2)

    return Latency(
        p50=milliseconds(times, 0.5),
        p95=milliseconds(times, 0.95),
        p99=milliseconds(times, 0.99),
        first_quarter_p99=milliseconds(times[:quarter], 0.99),
        last_quarter_p99=milliseconds(times[-quarter:], 0.99),
    )


class _Files:
    """Recordings and snapshots.

    Args:
        source: what is recorded.
        options: where files go, and how they are encoded.
    """

    def __init__(self, source: Camera, options: LiveOptions) -> None:
        self._source, self._options = source, options

    def open_recording(self, path: Path, overwrite: bool, first: Frame) -> ActiveRecording:
        """Begins a recording to a file, of pictures like `first`."""
        own, microphone = self._sound()
        return ActiveRecording(
            path,
            first,
            rate=self._source.rate,
            own=own,
            microphone=microphone,
            need_sound=self._options.sound != "auto",
            source=self._options.camera,
            encoder=self._options.encoder,
            quality=self._options.quality,
            overwrite=overwrite,
        )

    def record(self, first: Frame) -> ActiveRecording:
        """Begins a recording to a file that does not exist yet."""
        path = self._options.record or self._options.folder / f"{_timestamp()}.mp4"
        return self.open_recording(free_name(path), False, first)

    def save(self, frame: Frame) -> str:
        """Saves a snapshot; returns its path."""
        path = free_name(self._options.folder / f"{_timestamp()}.png")
        write_image(path, rgb_from_frame(frame))
        return str(path)

    def _sound(self) -> tuple[SoundFeed | None, Callable[[], Microphone] | None]:
        """(the source's own sound, a function that opens a microphone): at most one of the two."""
        wanted, source = self._options.sound, self._source
        if wanted == "off":
            return None, None
        if wanted != "auto":
            return None, lambda: Microphone(wanted)
        if source.sounds is not None:
            return source.sounds, None
        # A film without sound stays silent; beside a camera or a screen somebody may speak.
        if source.target.kind in ("camera", "screen") and microphones():
            return None, Microphone
        return None, None


def _timestamp() -> str:
    return time.strftime(f"{TITLE}-%Y%m%d-%H%M%S")
