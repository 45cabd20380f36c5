"""Damaged files, made from whole ones by a seed, and what becomes of them; as a program, a worker of `test_faults`."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from realtime import pipeline
from realtime.errors import RestyleError, StageError
from realtime.media.files.fragments import work_folder
from realtime.media.files.reader import VideoReader
from realtime.media.files.resumable import ResumableWriter
from realtime.media.files.writer import VideoWriter
from tests.helpers.clips import Clip, decoded

Rng = np.random.Generator


def whole_clips(folder: Path) -> list[Path]:
    """A small clip of every kind that is read."""
    small: dict[str, Any] = {"size": (48, 32), "frames": 20}
    thousandths = Fraction(1, 1000)
    clips = [
        Clip(folder / "a.mp4", audio=["aac"], container_options={"movflags": "faststart"}, **small),
        Clip(folder / "b.mp4", audio=["aac"], options={"bf": "3", "g": "5"}, **small),
        Clip(folder / "c.mkv", audio=["aac"], time_base=thousandths, subtitles=[(0.1, 0.3, "words")], **small),
        Clip(folder / "d.ts", audio=["aac"], time_base=Fraction(1, 90000), options={"g": "5"}, **small),
        Clip(folder / "e.webm", codec="libvpx", audio=["vorbis"], time_base=thousandths, **small),
        Clip(folder / "f.avi", codec="mpeg4", audio=["ac3"], time_base=Fraction(1, 25), **small),
        Clip(folder / "g.mov", codec="mjpeg", pix_fmt="yuvj420p", color=(2, 5, 2, 2), **small),
        Clip(folder / "h.mkv", codec="libx265", pix_fmt="yuv420p10le", time_base=thousandths,
             options={"x265-params": "log-level=none"}, size=(64, 64), frames=20),
        Clip(folder / "i.mkv", codec="ffv1", pix_fmt="yuv422p", time_base=thousandths, **small),
        Clip(folder / "j.webm", codec="libvpx-vp9", time_base=thousandths, **small),
    ]  # fmt: skip
    return [clip.make() for clip in clips]


def flip_bits(data: bytearray, rng: Rng) -> None:
    for at in rng.integers(0, len(data), rng.integers(1, 60)):
        data[at] ^= 1 << int(rng.integers(8))


def flip_header(data: bytearray, rng: Rng) -> None:
    for at in rng.integers(0, min(len(data), 3000), rng.integers(1, 8)):
        data[at] ^= 1 << int(rng.integers(8))


def truncate(data: bytearray, rng: Rng) -> None:
    del data[int(rng.integers(1, len(data))) :]


def blank(data: bytearray, rng: Rng) -> None:
    begin = int(rng.integers(0, len(data)))
    length = int(rng.integers(1, len(data) // 4))
    data[begin : begin + length] = bytes(len(data[begin : begin + length]))


def noise(data: bytearray, rng: Rng) -> None:
    begin = int(rng.integers(0, len(data)))
    data[begin : begin + 500] = rng.integers(0, 256, len(data[begin : begin + 500]), np.uint8).tobytes()


def shuffle(data: bytearray, rng: Rng) -> None:
    """Stretches of the file change places: packets out of order, of other streams, cut in two."""
    size = int(rng.integers(188, 2000))
    parts = [bytes(data[i : i + size]) for i in range(0, len(data), size)]
    first = int(rng.integers(0, 2))  # sometimes the header stays
    rest = [parts[first + i] for i in rng.permutation(len(parts) - first)]
    data[:] = b"".join([*parts[:first], *rest])


def repeat(data: bytearray, rng: Rng) -> None:
    begin = int(rng.integers(0, len(data)))
    part = bytes(data[begin : begin + int(rng.integers(1, 4000))])
    data[begin:begin] = part


def remove(data: bytearray, rng: Rng) -> None:
    begin = int(rng.integers(0, len(data)))
    del data[begin : begin + int(rng.integers(1, 2000))]


KINDS: list[Callable[[bytearray, Rng], None]] = [
    flip_bits, flip_header, truncate, blank, noise, shuffle, repeat, remove
]  # fmt: skip


def damaged(source: Path, seed: int) -> tuple[str, bytes]:
    """(kind, bytes): a file that is harmed in a way that the seed decides."""
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    data = bytearray(source.read_bytes())
    kind(data, rng)
    return kind.__name__, bytes(data)


def outcome(source: Path, target: Path, *, resume: bool = False) -> dict[str, Any]:
    """Sends a file through reader, threads and writer, and says what came of it.

    Returns:
        "result": "done", "refused" (an error of ours, in one line that names the file) or "fault", with "why".
    """
    frames = 0
    try:
        with VideoReader(source) as reader:
            warnings = reader.warnings
            writer = (
                ResumableWriter(target, reader, job={}, overwrite=True)
                if resume
                else VideoWriter(target, reader, overwrite=True)
            )
            with writer:
                pipeline.run(reader, lambda frames: frames, writer.write, batch=2)
                frames = writer.finish().frames
    except StageError as error:
        return {"result": "fault", "why": f"unforeseen: {error}"}
    except RestyleError as error:
        text = str(error)
        if "\n" in text or (source.name not in text and target.name not in text):
            return {"result": "fault", "why": f"a message that helps nobody: {text!r}"}
        if target.exists() or any(p.name.startswith(".") and p != work_folder(target) for p in target.parent.iterdir()):
            return {"result": "fault", "why": "something was left behind"}
        return {"result": "refused", "why": text}
    except Exception as error:
        return {"result": "fault", "why": f"{type(error).__name__}: {error}"}
    try:
        times = [float(picture.time) for picture in decoded(target)]
    except Exception as error:
        return {"result": "fault", "why": f"the output cannot be read: {error}"}
    if len(times) != frames:
        return {"result": "fault", "why": f"{frames} frames were written, {len(times)} can be read"}
    if any(b <= a for a, b in itertools.pairwise(times)):
        return {"result": "fault", "why": "times do not increase"}
    return {"result": "done", "why": "; ".join(warnings), "frames": frames}


def main(folder: Path, first: int, count: int) -> None:
    """Damages clips by the seeds from `first` on, and prints an outcome for each as a line of JSON."""
    import av.logging

    av.logging.set_level(None)
    clips = sorted(p for p in folder.iterdir() if p.is_file())
    out = folder / f"out-{first}"
    out.mkdir()
    for seed in range(first, first + count):
        clip = clips[seed // len(KINDS) % len(clips)]
        kind, data = damaged(clip, seed)
        source = out / f"damaged-{seed}{clip.suffix}"
        source.write_bytes(data)
        (out / "target").mkdir(exist_ok=True)
        target = out / "target" / ("out.mkv" if seed % 3 else "out.mp4")
        began = time.monotonic()
        result = outcome(source, target, resume=seed % 5 == 0)
        print(
            json.dumps({"seed": seed, "clip": clip.name, "kind": kind, "seconds": time.monotonic() - began, **result})
        )
        sys.stdout.flush()
        if result["result"] != "fault":
            source.unlink()
        for left in (out / "target").iterdir():
            if left.is_file():
                left.unlink()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])) or os.EX_OK)
