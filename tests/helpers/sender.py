"""Sends a stream in real time, for tests to cut off: python -m tests.helpers.sender URL [SECONDS] [SOUND].

The picture's brightness tells its number modulo 8: 32, 56, 80, ... . MPEG-TS, H.264, a key frame every half second.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

RATE, SIZE = 25, (160, 96)
PATIENCE = 60
"""Seconds; a machine under load takes its time."""


def level(number: int) -> int:
    """Brightness of the picture with this number."""
    return 32 + 24 * (number % 8)


def opened(url: str, sound: bool) -> tuple[Any, Any, Any]:
    """(container, video stream, audio stream or None), once somebody listens."""
    deadline = time.perf_counter() + PATIENCE
    while True:
        target: Any = av.open(url, "w", format="mpegts", container_options={"flush_packets": "1"})
        stream = target.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.options = {"preset": "ultrafast", "tune": "zerolatency"}
        stream.codec_context.gop_size = RATE // 2
        track = target.add_stream("aac", rate=48000) if sound else None
        if track is not None:
            track.codec_context.layout = "mono"
        try:
            target.start_encoding()
            return target, stream, track
        except ConnectionRefusedError:
            if time.perf_counter() > deadline:
                raise
            time.sleep(0.1)


def send(url: str, seconds: float, *, sound: bool) -> None:
    target, stream, track = opened(url, sound)
    begin, samples = time.perf_counter(), 0
    for number in range(round(seconds * RATE)):
        time.sleep(max(0.0, begin + number / RATE - time.perf_counter()))
        picture = av.VideoFrame(*SIZE, "yuv420p")
        for plane, value in zip(picture.planes, (level(number), 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        picture.pts, picture.time_base = number, Fraction(1, RATE)
        target.mux(stream.encode(picture))
        while track is not None and samples < (number + 1) * 48000 // RATE:
            wave = 0.3 * np.sin(2 * np.pi * 440 * (np.arange(1024) + samples) / 48000)
            frame = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48000, samples, Fraction(1, 48000)
            samples += 1024
            target.mux(track.encode(frame))
    target.close()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of this machine that nobody uses."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Sender:
    """Another process that sends a stream, and can be cut off."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.sender", url, str(2 * PATIENCE)],
            cwd=Path(__file__).parents[2],
            stderr=subprocess.DEVNULL,
        )

    def cut(self) -> None:
        self.process.kill()
        self.process.wait()


if __name__ == "__main__":
    send(sys.argv[1], float(sys.argv[2]), sound="sound" in sys.argv[3:])
