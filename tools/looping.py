"""Makes a long clip of a short one without encoding anything. For measurements and tests."""

from __future__ import annotations

import math
import os
from fractions import Fraction
from typing import Any


def loop_clip(source: str | os.PathLike[str], target: str | os.PathLike[str], seconds: float) -> None:
    """Write a clip's video and audio packets again and again.

    Args:
        source: a clip whose packets all have times, such as an MP4. Its packets are held in memory.
        target: the file to write; it is replaced if it exists. Audio may be silent for one packet at a seam.
        seconds: the least length.

    Raises:
        ValueError: the clip has no video packets.
    """
    import av

    with av.open("file:" + os.fspath(source)) as short, av.open("file:" + os.fspath(target), "w") as long:
        chosen = [s for s in short.streams if s.type in ("video", "audio")]
        streams: dict[int, Any] = {s.index: long.add_stream_from_template(s) for s in chosen}
        packets: list[Any] = []
        begin: dict[int, Fraction] = {}
        end: dict[int, Fraction] = {}
        for packet in short.demux(chosen):
            if packet.dts is None or packet.pts is None:
                continue  # the empty packet at the end of each stream
            index, base = packet.stream.index, Fraction(packet.time_base)
            begin.setdefault(index, packet.dts * base)
            end[index] = (packet.dts + (packet.duration or 1)) * base
            packets.append(packet)
        if not any(p.stream.type == "video" for p in packets):
            raise ValueError(f"{os.fspath(source)}: no video packets")
        period = max(end[index] - begin[index] for index in end)
        for turn in range(math.ceil(seconds / period)):
            for packet in packets:
                # Rounded up equally in each turn, so that a stream's times always rise at a seam.
                shift = turn * math.ceil(period / packet.time_base)
                again: Any = av.Packet(bytes(packet))
                again.time_base, again.duration = packet.time_base, packet.duration
                again.is_keyframe = packet.is_keyframe
                again.pts, again.dts = packet.pts + shift, packet.dts + shift
                again.stream = streams[packet.stream.index]
                long.mux_one(again)
