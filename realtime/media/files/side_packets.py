"""The packets that a reader hands to a writer beside the frames: of a range, those in it, on its clock."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from realtime.media.files.packet_queue import PacketQueue, packet_time, shift_packet

if TYPE_CHECKING:
    from av.packet import Packet

_TAIL = 5.0
"""Seconds of video after a range in which packets of the range are still looked for."""


class SidePackets:
    """Puts packets of the other streams into a queue.

    Args:
        queue: gets the packets; its `wanted` streams are the only ones kept.
        cut: whether a range is read, whose clock begins with its first picture.
        stop: end of the range on the file's clock, in seconds; None for none.

    Attributes:
        offset: seconds by which packets are moved where the whole file is read.
        latest: end of the packet that reaches furthest, in seconds on the file's clock.
    """

    def __init__(self, queue: PacketQueue, *, cut: bool, stop: Fraction | None) -> None:
        self._queue, self._cut, self._stop = queue, cut, stop
        self._zero: Fraction | None = None
        self._waiting: list[Packet[Any]] = []
        self.offset = self.latest = Fraction(0)

    def begin(self, zero: Fraction) -> None:
        """Tell when the range begins, in seconds on the file's clock: known once its first picture is decoded."""
        self._zero = zero
        for packet in self._waiting:
            self._put_cut(packet, zero)
        self._waiting.clear()

    def put(self, packet: Packet[Any]) -> None:
        """Put the next packet of the file."""
        time = packet_time(packet)
        if time is not None:
            self.latest = max(self.latest, time + (packet.duration or 0) * Fraction(packet.time_base))
        if not self._cut:
            if self.offset:
                shift_packet(packet, self.offset)
            self._queue.put(packet)
        elif self._zero is not None:
            self._put_cut(packet, self._zero)
        elif packet.stream_index in self._queue.wanted:
            self._waiting.append(packet)

    def finish(self, packets: Iterator[Packet[Any]], video: int, audio: set[int]) -> None:
        """After the last picture of a range, read the rest of the file until the other streams have reached its end."""
        assert self._stop is not None
        audio = audio & self._queue.wanted
        if not self._queue.wanted:
            return
        for packet in packets:
            time = packet_time(packet)
            if packet.stream_index == video:
                if time is not None and time > self._stop + _TAIL:
                    return
                continue
            self.put(packet)
            if time is not None and time >= self._stop:
                audio.discard(packet.stream_index)
                if not audio:
                    return

    def _put_cut(self, packet: Packet[Any], zero: Fraction) -> None:
        """Put a packet if it is heard or shown within the range, on the range's clock."""
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None:
            return
        base = Fraction(packet.time_base)
        begin = stamp * base
        if begin + (packet.duration or 0) * base <= zero or (self._stop is not None and begin >= self._stop):
            return
        shift_packet(packet, -zero)
        if packet.stream.type == "subtitle" and packet.pts is not None and packet.pts < 0:
            packet.duration = (packet.duration or 0) + packet.pts
            packet.pts = packet.dts = 0
        self._queue.put(packet)
