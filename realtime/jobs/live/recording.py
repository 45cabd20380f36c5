"""A recording of the live filter, with its sound: the source's own, or a microphone's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from realtime.errors import MediaError
from realtime.frames import Frame
from realtime.media.live.recorder import Recorder, Recording
from realtime.media.live.sound import SoundFeed


class Hearing(Protocol):
    """Something that hears, such as a `Microphone`."""

    @property
    def feed(self) -> SoundFeed: ...
    @property
    def problem(self) -> str: ...
    def close(self) -> None: ...


def free_name(path: Path) -> Path:
    """The path, or where a file is there the next free one: take.mp4, take-2.mp4, take-3.mp4."""
    number, name = 1, path
    while name.exists():
        number += 1
        name = path.with_stem(f"{path.stem}-{number}")
    return name


class Take:
    """One recording from its begin to its end.

    Attributes:
        path: the file.
        notes: what the user should know.
    """

    def __init__(
        self,
        path: Path,
        first: Frame,
        *,
        rate: float,
        own: SoundFeed | None,
        microphone: Callable[[], Hearing] | None,
        need_sound: bool,
        source: str,
        encoder: str = "auto",
        quality: float | None = None,
        overwrite: bool = False,
    ) -> None:
        """Begin a recording.

        Args:
            path: the file.
            first: a picture like those that will come.
            rate: frames per second, roughly.
            own: the source's own sound; None where it has none or is not wanted.
            microphone: opens one, where there is no own sound; None for none.
            need_sound: without the microphone there is to be no recording.
            source: what is recorded, in words.
            encoder, quality, overwrite: see `VideoWriter`.

        Raises:
            InputError: the file or the microphone cannot be opened.
        """
        self.path = path
        self.notes: list[str] = []
        self._hearing: Hearing | None = None
        if own is None and microphone is not None:
            try:
                self._hearing = microphone()
            except MediaError as error:
                if need_sound:
                    raise
                self.notes.append(f"recording without sound: {error}")
        self._feed = own if self._hearing is None else self._hearing.feed
        try:
            self._recorder = Recorder(
                path,
                first,
                rate=rate,
                sound=self._feed is not None,
                source=source,
                encoder=encoder,
                quality=quality,
                overwrite=overwrite,
            )
        except BaseException:
            self._close_microphone()
            raise
        if self._feed is not None:
            self._feed.listen(True)

    @property
    def seconds(self) -> float:
        """How long it is by now."""
        return self._recorder.seconds

    def write(self, frame: Frame, *, captured: float, shown: float) -> None:
        """Record a picture, and the sound that has come since the last one.

        Raises:
            RestyleError: the encoder or the disk fails; what was written is kept.
        """
        self._recorder.write(frame, captured=captured, shown=shown)
        self._hear()

    def _hear(self) -> None:
        if self._feed is not None:
            for sound in self._feed.take():
                self._recorder.hear(sound)

    def finish(self, problem: str = "") -> Recording:
        """End the recording.

        Args:
            problem: why it ends early; empty where it does not.

        Raises:
            RestyleError: the file cannot be completed; what was written is kept.
        """
        try:
            if not problem:
                self._hear()
            return self._recorder.finish(problem)
        finally:
            if self._feed is not None:
                self._feed.listen(False)
            self._close_microphone()

    def _close_microphone(self) -> None:
        if self._hearing is not None:
            if self._hearing.problem:
                self.notes.append(self._hearing.problem)
            self._hearing.close()
