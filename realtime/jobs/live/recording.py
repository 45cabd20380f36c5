"""Records what the live filter shows, with the source's own sound or a microphone's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from realtime.errors import MediaError
from realtime.frames import Frame
from realtime.media.live.recorder import Recorder, Recording
from realtime.media.live.sound import SoundFeed


class SoundInput(Protocol):
    """A source of sound, such as a `Microphone`."""

    @property
    def feed(self) -> SoundFeed: ...
    @property
    def problem(self) -> str: ...
    def close(self) -> None: ...


def free_name(path: Path) -> Path:
    """The path, or the next free one where the file exists: a.mp4, a-2.mp4, a-3.mp4."""
    number, name = 1, path
    while name.exists():
        number += 1
        name = path.with_stem(f"{path.stem}-{number}")
    return name


class ActiveRecording:
    """A recording that is being made.

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
        microphone: Callable[[], SoundInput] | None,
        need_sound: bool,
        source: str,
        encoder: str = "auto",
        quality: float | None = None,
        overwrite: bool = False,
    ) -> None:
        """Begins the recording.

        Args:
            path: the file.
            first: a picture of the size and colours of those that follow.
            rate: approximate frames per second.
            own: the source's own sound; None where there is none or it is not wanted.
            microphone: opens a microphone where the source has no sound; None for no microphone.
            need_sound: fail where the microphone cannot be opened; else record without sound.
            source: name of what is recorded, for the file's metadata.
            encoder, quality, overwrite: see `VideoWriter`.

        Raises:
            InputError: the file or the microphone cannot be opened.
        """
        self.path = path
        self.notes: list[str] = []
        self._input: SoundInput | None = None
        if own is None and microphone is not None:
            try:
                self._input = microphone()
            except MediaError as error:
                if need_sound:
                    raise
                self.notes.append(f"recording without sound: {error}")
        self._feed = own if self._input is None else self._input.feed
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
        """Length so far."""
        return self._recorder.seconds

    def write(self, frame: Frame, *, captured: float, shown: float) -> None:
        """Records a picture, and the sound that arrived since the last one.

        Raises:
            RestyleError: the encoder or the disk fails; what was written is kept.
        """
        self._recorder.write(frame, captured=captured, shown=shown)
        self._write_sound()

    def _write_sound(self) -> None:
        if self._feed is not None:
            for sound in self._feed.take():
                self._recorder.hear(sound)

    def finish(self, problem: str = "") -> Recording:
        """Ends the recording.

        Args:
            problem: why it ends early; empty for a normal end.

        Raises:
            RestyleError: the file cannot be completed; what was written is kept.
        """
        try:
            if not problem:
                self._write_sound()
            return self._recorder.finish(problem)
        finally:
            if self._feed is not None:
                self._feed.listen(False)
            self._close_microphone()

    def _close_microphone(self) -> None:
        if self._input is not None:
            if self._input.problem:
                self.notes.append(self._input.problem)
            self._input.close()
