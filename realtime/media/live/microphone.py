"""Microphones: which there are, and reading one."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

from realtime.errors import MediaError
from realtime.media.live.sound import ArrivalClock, SoundFeed, sounds_of
from realtime.media.messages import reason

_OPEN_SECONDS = 5.0


class Microphone:
    """Reads a sound device in a thread of its own.

    Attributes:
        name: what was opened.
        feed: what it hears.
        problem: why it stopped; empty while it works.
    """

    def __init__(self, device: str = "auto") -> None:
        """Open a microphone, and wait until it works.

        Args:
            device: "auto" for the system's first, or FORMAT:SOURCE as FFmpeg knows it ("alsa:hw:1", "pulse:default",
                "avfoundation::0", "dshow:audio=NAME", "lavfi:sine"), or a device's name.

        Raises:
            MediaError: there is none, or it cannot be opened; the message says why.
        """
        self.feed = SoundFeed()
        self.problem = ""
        self._stop = threading.Event()
        self._container, self.name = _open_first(device)
        self._paced = self.name.startswith("lavfi:")
        self._thread = threading.Thread(target=self._read, name="restyle-microphone", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        import av.error

        clock = ArrivalClock()
        begun: float | None = None
        try:
            for frame in self._container.decode(audio=0):
                if self._stop.is_set():
                    return
                end = float(frame.time or 0) + frame.samples / frame.sample_rate
                if self._paced:  # it is computed, at any speed
                    begun = time.perf_counter() if begun is None else begun
                    if self._stop.wait(max(0.0, begun + end - time.perf_counter())):
                        return
                sound = sounds_of(frame, clock.offset(end, time.perf_counter()))
                if sound is not None:
                    self.feed.put(sound)
        except (av.error.FFmpegError, ValueError) as error:
            self.problem = f"{self.name}: no more sound ({reason(error)})"
        finally:
            self._container.close()

    def close(self) -> None:
        """Stop listening. Does not wait for a device that hangs."""
        self._stop.set()
        self._thread.join(0.5)


def microphones(platform: str = sys.platform) -> list[str]:
    """FFmpeg's FORMAT:SOURCE of every microphone that can be listed, the system's own choice first."""
    if platform.startswith("linux"):
        cards = _alsa_cards()
        return ["alsa:default", *cards] if cards else []
    kind = {"darwin": "avfoundation", "win32": "dshow"}.get(platform)
    if kind is None:
        return []
    import av.device

    try:
        found = [entry for entry in av.device.enumerate_input_devices(kind) if "audio" in entry.media_types]
    except (ValueError, OSError):
        return []
    if kind == "avfoundation":
        return [f"avfoundation::{number}" for number, _ in enumerate(found)]
    return [f"dshow:audio={entry.description or entry.name}" for entry in found]


def _alsa_cards() -> list[str]:
    try:
        lines = Path("/proc/asound/pcm").read_text().splitlines()
    except OSError:
        return []
    found = [re.match(r"(\d+)-(\d+):.*capture", line) for line in lines]
    return [f"alsa:plughw:{int(match[1])},{int(match[2])}" for match in found if match]


def find_alsa_settings() -> None:
    """Call before ALSA is opened: PyAV's own build looks for its settings where nobody has any.

    A path that the user has set holds.
    """
    usual = Path("/usr/share/alsa/alsa.conf")
    if usual.exists():
        os.environ.setdefault("ALSA_CONFIG_PATH", str(usual))


def _open_first(device: str) -> tuple[Any, str]:
    names = microphones() if device == "auto" else [device if ":" in device else _with_format(device)]
    if not names:
        raise MediaError("no microphone was found; name one with --sound FORMAT:SOURCE, or use --sound off")
    said = []
    for name in names:
        try:
            return _open(name), name
        except MediaError as error:
            said.append(str(error))
    raise MediaError("; ".join(said))


def _with_format(device: str) -> str:
    kind = {"darwin": "avfoundation::", "win32": "dshow:audio="}.get(sys.platform, "alsa:")
    return kind + device


def _open(name: str) -> Any:
    import av
    import av.error

    form, _, source = name.partition(":")
    if form == "alsa":
        find_alsa_settings()
    try:
        container = av.open(source, format=form, timeout=_OPEN_SECONDS)
    except av.error.FFmpegError as error:
        raise MediaError(f"microphone {name}: cannot be opened ({reason(error)})") from None
    except ValueError:
        raise MediaError(f"microphone {name}: this build of FFmpeg has no input {form!r}") from None
    if not container.streams.audio:
        container.close()
        raise MediaError(f"microphone {name}: gives no sound")
    return container
