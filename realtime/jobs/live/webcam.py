"""Puts the live filter together: source, styles, window, virtual camera, recording."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from realtime.errors import InputError
from realtime.frames import Frame
from realtime.jobs.live.controls import Controls
from realtime.jobs.live.loop import NoScreen, Outcome, Session, percentile
from realtime.jobs.live.painter import Look, Painter
from realtime.jobs.live.recording import Take, free_name
from realtime.jobs.live.resolution_controller import Governor, ladder
from realtime.media.files.stills import rgb_from_frame, write_image
from realtime.media.live import window
from realtime.media.live.camera import Camera
from realtime.media.live.sound import Microphone, SoundFeed, microphones
from realtime.media.live.virtual_camera import VirtualCamera
from realtime.options import Backend, Precision
from realtime.stylizer import Stylizer, parse_size
from realtime.transnet.gallery import styles as gallery

TITLE = "restyle"


@dataclass(frozen=True, slots=True)
class LoadedStyle:
    """A style in its engine (`realtime.jobs.live.painter.Style`)."""

    stylizer: Stylizer

    @property
    def name(self) -> str:
        """Of the style."""
        return self.stylizer.style.name

    def paint(self, frame: Frame, *, strength: float, keep_color: bool) -> Frame:
        """One frame through the network."""
        return self.stylizer.engine.stylize([frame], strength=strength, keep_color=keep_color)[0]


def webcam(
    styles: Sequence[str | Path],
    *,
    camera: str = "0",
    size: str | int | tuple[int, int] | None = None,
    rate: float | None = None,
    camera_options: Mapping[str, str] | None = None,
    reconnect: float = 30.0,
    look: Look | None = None,
    headless: bool = False,
    frames: int | None = None,
    seconds: float | None = None,
    overlay: bool = True,
    full_screen: bool = False,
    virtual_camera: bool = False,
    virtual_camera_device: str | None = None,
    record: str | Path | None = None,
    sound: str = "auto",
    encoder: str = "auto",
    quality: float | None = None,
    overwrite: bool = False,
    folder: str | Path = ".",
    backend: Backend = "auto",
    device: str = "auto",
    precision: Precision = "auto",
    threads: int | None = None,
    announce: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Run the live filter until the user, a limit, or the source ends it.

    Args:
        styles: names or paths; it begins with the first. With a window, the rest of the gallery follows on the keys.
        camera: see `realtime.media.live.sources.parse_source`.
        size: of the pictures: short side, or (width, height), or "WIDTHxHEIGHT". None takes the source's size, and lets
            the network work at a smaller one where it cannot keep the rate.
        rate: frames per second to ask a camera or a screen for.
        camera_options: more options for FFmpeg's input.
        reconnect: seconds for which a source that went away is looked for.
        look: how it begins; None as the style is.
        headless: without a window.
        frames, seconds: end after so many.
        overlay, full_screen: how the window begins.
        virtual_camera, virtual_camera_device: hand every picture to a virtual camera, too.
        record: a file to record to from the first picture on.
        sound: of recordings: "auto" (the source's own, else a microphone), "off", or a device.
        encoder, quality, overwrite: of recordings; see `VideoWriter`.
        folder: where the keys for snapshots and recordings put their files.
        backend, device, precision, threads: see `Stylizer`.
        announce: called with a line for people, before it begins.

    Returns:
        source, style, styles, frames_in, frames_out, dropped, seconds, fps, latency_ms {p50, p95, p99,
        first_quarter_p99, last_quarter_p99}, backend, device, precision, size, working_size, size_changes, camera_fps,
        reconnects, recordings, snapshots, virtual_camera, end, notes, warnings.

    Raises:
        InputError: something is not to be had as asked; nothing was shown then.
        RestyleError: something failed on the way; what was recorded is kept.
    """
    if not styles:
        raise InputError("name a style; `restyle styles` lists them")
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder for snapshots and recordings")
    if not headless:
        window.prepare()
    with ExitStack() as stack:
        source = stack.enter_context(
            Camera(camera, size=parse_size(size), rate=rate, options=camera_options, reconnect=reconnect)
        )
        names = list(styles) if headless else _with_gallery(styles)
        loaded = [
            LoadedStyle(Stylizer(name, backend=backend, device=device, precision=precision, batch=1, threads=threads))
            for name in names
        ]
        engine = loaded[0].stylizer.engine
        whole = (source.width, source.height)
        painter = Painter(loaded, Governor(ladder(*whole) if size is None else (whole,)))
        painter.warm_up(source.sample, 1 / source.rate)
        sinks: list[VirtualCamera] = []
        if virtual_camera:
            sinks.append(VirtualCamera(*whole, source.rate, device=virtual_camera_device))
            stack.callback(sinks[0].close)

        def take(path: Path, replace: bool, first: Frame) -> Take:
            own, microphone = _sound(source, sound)
            return Take(
                path,
                first,
                rate=source.rate,
                own=own,
                microphone=microphone,
                need_sound=sound != "auto",
                source=camera,
                encoder=encoder,
                quality=quality,
                overwrite=replace,
            )

        def take_more(first: Frame) -> Take:
            path = Path(record) if record is not None else folder / f"{_stamp()}.mp4"
            return take(free_name(path), False, first)

        def save(frame: Frame) -> str:
            path = free_name(folder / f"{_stamp()}.png")
            write_image(path, rgb_from_frame(frame))
            return str(path)

        screen: window.Window | NoScreen
        if headless:
            screen = NoScreen()
        else:
            screen = window.Window(TITLE, *whole, full_screen=full_screen)
            stack.callback(screen.close)
        # The last thing to be opened: an old file is replaced by then.
        first_take = None if record is None else take(Path(record), overwrite, source.sample)
        controls = Controls([style.name for style in loaded], look or Look(), overlay=overlay)
        session = Session(
            source,
            painter,
            screen,
            controls,
            about=engine.description,
            sinks=sinks,
            take=take_more,
            save=save,
            frames=frames,
            seconds=seconds,
            first_take=first_take,
        )
        if announce is not None:
            announce(f"{source.description} in {loaded[0].name}: {engine.description}")
            if not headless:
                announce("press h in the window for the keys, q to quit")
        outcome = session.run()
        return {
            "source": source.description,
            "style": controls.style,
            "styles": list(controls.styles),
            **_numbers(outcome),
            "backend": engine.backend,
            "device": engine.device,
            "precision": engine.precision,
            "size": f"{whole[0]}x{whole[1]}",
            "working_size": "{}x{}".format(*painter.governor.size),
            "size_changes": painter.governor.changes,
            "camera_fps": round(source.rate, 2),
            "reconnects": source.reconnects,
            "recordings": [asdict(recording) for recording in outcome.recordings],
            "snapshots": outcome.snapshots,
            "virtual_camera": sinks[0].device if sinks else None,
            "end": outcome.end,
            "notes": [*engine.notes, *source.notes, *outcome.notes],
            "warnings": [*([source.lost] if source.lost else []), *outcome.warnings],
        }


def _with_gallery(styles: Sequence[str | Path]) -> list[str | Path]:
    """The named styles, and behind them those of the gallery that were not named."""
    named = {str(style) for style in styles}
    return [*styles, *(card.name for card in gallery() if card.name not in named)]


def _numbers(outcome: Outcome) -> dict[str, Any]:
    times = outcome.latencies
    quarter = max(1, len(times) // 4)

    def milliseconds(values: Sequence[float], share: float) -> float:
        return round(1000 * percentile(values, share), 2)

    return {
        "frames_in": outcome.frames_in,
        "frames_out": outcome.frames_out,
        "dropped": outcome.dropped,
        "seconds": round(outcome.seconds, 3),
        "fps": round(outcome.fps, 2),
        "latency_ms": {
            "p50": milliseconds(times, 0.5),
            "p95": milliseconds(times, 0.95),
            "p99": milliseconds(times, 0.99),
            "first_quarter_p99": milliseconds(times[:quarter], 0.99),
            "last_quarter_p99": milliseconds(times[-quarter:], 0.99),
        },
    }


def _sound(source: Camera, wanted: str) -> tuple[SoundFeed | None, Callable[[], Microphone] | None]:
    """(the source's own sound, what opens a microphone): at most one of the two."""
    if wanted == "off":
        return None, None
    if wanted != "auto":
        return None, lambda: Microphone(wanted)
    if source.sounds is not None:
        return source.sounds, None
    # Beside a camera or a screen sits somebody who speaks; beside a film nobody does.
    if source.target.kind in ("camera", "screen") and microphones():
        return None, Microphone
    return None, None


def _stamp() -> str:
    return time.strftime(f"{TITLE}-%Y%m%d-%H%M%S")
