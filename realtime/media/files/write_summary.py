"""The result of writing a file."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class WriteSummary:
    """What went into a file.

    Attributes:
        frames: pictures written.
        encoder: name of the video encoder.
        audio_streams: audio tracks in the output.
        copied: streams copied as they are, in words.
        converted: streams that had to be re-encoded, and why, in words.
        dropped: streams left out, and why, in words.
        notes: other things worth knowing.
    """

    frames: int = 0
    encoder: str = ""
    audio_streams: int = 0
    copied: list[str] = field(default_factory=list)
    converted: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
