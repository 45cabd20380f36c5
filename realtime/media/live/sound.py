"""Sound beside a live picture: pieces with the time at which they were heard, the microphone, the recorded track."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from realtime.errors import MediaError
from realtime.media.messages import reason

if TYPE_CHECKING:
    from av.packet import Packet

RATE = 48000
"""Samples per second of a recorded track."""

_MOST_CHUNKS = 2000
_OPEN_SECONDS = 5.0
_CLOCK_WINDOW = 200
_STRETCH = RATE // 100
_FILL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of sound.

    Attributes:
        samples: (channels, N) float32, -1 to 1.
        rate: samples per second.
        time: when its first sample was heard, in seconds of `time.perf_counter`.
    """

    samples: np.ndarray
    rate: int
    time: float


class SoundFeed:
    """Sound on its way from a source's thread to a recorder's. Keeps nothing while nobody listens."""

    def __init__(self) -> None:
        self._chunks: deque[Sound] = deque(maxlen=_MOST_CHUNKS)  # a recorder that stalls must not fill the memory
        self._listening = False

    @property
    def listening(self) -> bool:
        """Whether somebody wants the sound: where not, a source need not decode it."""
        return self._listening

    def listen(self, wanted: bool) -> None:
        """Begin to keep sound, or forget what there is and stop."""
        self._listening = wanted
        if not wanted:
            self._chunks.clear()

    def put(self, sound: Sound) -> None:
        """Add a piece, if it is wanted."""
        if self._listening:
            self._chunks.append(sound)

    def take(self) -> Iterator[Sound]:
        """All that has come since the last call."""
        while self._chunks:
            yield self._chunks.popleft()


def sounds_of(frame: Any, clock: float) -> Sound | None:
    """A decoded PyAV audio frame as a `Sound`; None where it is empty.

    Args:
        frame: of any sample format; more than two channels are mixed to their mean.
        clock: seconds to add to the frame's own time.
    """
    samples = frame.to_ndarray()
    if not samples.size:
        return None
    channels = len(frame.layout.channels)
    if not frame.format.is_planar:
        samples = samples.reshape(-1, channels).T
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.float32) - 128) / 128
    elif samples.dtype.kind == "i":
        samples = samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    else:
        samples = samples.astype(np.float32)
    if channels > 2:
        samples = samples.mean(0, keepdims=True)
    return Sound(np.ascontiguousarray(samples), frame.sample_rate, float(frame.time or 0) + clock)


class ArrivalClock:
    """When sound was heard that comes with time stamps of a clock of its own.

    A piece cannot arrive before its last sample is heard. So the least delay between a piece's end and its arrival,
    over the last few seconds, tells how the two clocks stand to each other; it follows a clock that runs fast or slow.
    """

    def __init__(self) -> None:
        self._delays: deque[float] = deque(maxlen=_CLOCK_WINDOW)

    def offset(self, end: float, arrived: float) -> float:
        """Seconds to add to the source's times.

        Args:
            end: of the newest piece, on the source's clock, in seconds.
            arrived: when it came, on the other clock.
        """
        self._delays.append(arrived - end)
        return min(self._delays)


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


class SoundTrack:
    """A recorded track: whatever sound comes becomes one unbroken stream that begins at 0 and keeps to its times.

    Where the times say that sound is missing, there is silence; where the source's clock runs fast or slow, or the
    picture's delay changes, the sound is stretched by up to a hundredth until it is in step again.
    """

    def __init__(self, stream: Any) -> None:
        """Args:
        stream: an audio stream of an output container that has not begun, whose encoder takes stereo.
        """
        self._stream = stream
        self._graph: Any = None
        self._rate = 0
        self._end = 0

    @classmethod
    def create(cls, container: Any, encoders: Iterable[str]) -> SoundTrack | None:
        """A track in a container, with the first of these encoders that this build has; None where it has none."""
        from av.codec.codec import Codec, UnknownCodecError

        for name in encoders:
            try:
                Codec(name, "w")
            except UnknownCodecError:
                continue
            stream = container.add_stream(name, rate=RATE)
            stream.codec_context.layout = "stereo"
            stream.codec_context.bit_rate = 128_000
            stream.time_base = stream.codec_context.time_base = Fraction(1, RATE)
            return cls(stream)
        return None

    @property
    def codec(self) -> str:
        """FFmpeg's name of the encoder."""
        return str(self._stream.codec_context.codec.name)

    def feed(self, sound: Sound, time: float) -> Iterable[Packet[Any]]:
        """Packets for the container, from one piece of sound.

        Args:
            sound: of any rate, with one channel or two.
            time: where it belongs, in seconds from the beginning of the recording; what lies before 0 is cut off.
        """
        from av.audio.frame import AudioFrame

        if sound.rate != self._rate:
            if self._graph is not None:  # a stream came back in another form
                self._graph.push(None)
                yield from self._pull()
            self._graph, self._rate = self._build(sound.rate), sound.rate
        both = np.repeat(sound.samples, 2, axis=0) if sound.samples.shape[0] == 1 else sound.samples
        frame = AudioFrame.from_ndarray(both, format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base = sound.rate, Fraction(1, 1_000_000)
        frame.pts = round(time * 1_000_000)
        self._graph.push(frame)
        yield from self._pull()

    def flush(self) -> Iterable[Packet[Any]]:
        """What is left at the end."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pull()
        yield from self._stream.encode(None)

    def _build(self, rate: int) -> Any:
        from av.filter import Graph

        context = self._stream.codec_context
        graph = Graph()
        source = graph.add_abuffer(sample_rate=rate, format="fltp", layout="stereo", time_base=Fraction(1, 1_000_000))
        step = graph.add("aresample", f"{RATE}:async={_STRETCH}:min_hard_comp={_FILL_SECONDS}:first_pts={self._end}")
        shape = graph.add("aformat", f"sample_fmts={context.format.name}:channel_layouts=stereo:sample_rates={RATE}")
        sink = graph.add("abuffersink")
        source.link_to(step)
        step.link_to(shape)
        shape.link_to(sink)
        graph.configure()
        return graph

    def _pull(self) -> Iterable[Packet[Any]]:
        import av.error

        while True:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            frame.time_base = Fraction(1, RATE)
            self._end = frame.pts + frame.samples
            yield from self._stream.encode(frame)
