"""Broadcast streams whose clock jumps: recordings joined end to end, programmes that follow one another."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from realtime.media.files.packet_queue import packet_time, shift_packet

if TYPE_CHECKING:
    from av.packet import Packet

JUMPING_FORMATS = frozenset({"mpegts", "mpeg", "hls"})
"""Containers whose clock may start again at any point."""

_ROOM = Fraction(1, 10)
"""Seconds left free where sound jumps first: pictures of the new stretch may begin a little before it."""
_RARE = 2
"""Seconds by which a stream that comes rarely (subtitles) may be behind and still tell where the file is."""
_SMOOTH = Fraction(1, 4)
"""Seconds within which a packet continues its stream."""
_BACK, _FORWARD = Fraction(3, 10), 10
"""Seconds: further back or forward is a jump; less far forward is a gap in the broadcast, and stays."""


class SteadyClock:
    """Moves packets after a jump so that their stream continues where it was.

    All streams of a stretch between two jumps are moved by the same time, whichever of them met the jump first: sound
    and pictures stay as far apart as they were sent.
    """

    def __init__(self) -> None:
        self._offsets = [Fraction(0)]  # of the stretches
        self._stretch: dict[int, int] = {}  # that each stream is in
        self._ends: dict[int, tuple[Fraction, Fraction]] = {}  # of each stream: its latest time, and end of a packet

    @property
    def jumps(self) -> int:
        """How many there were."""
        return len(self._offsets) - 1

    def correct(self, packet: Packet[Any]) -> None:
        """Move one packet; to be called with every packet of every stream, in the order of the file."""
        raw = packet_time(packet)
        if raw is None:
            # It belongs to the stretch of its stream.
            self._shift(packet, self._offsets[self._stretch.get(packet.stream_index, 0)])
            return
        stream = packet.stream_index
        stretch = self._stretch.setdefault(stream, len(self._offsets) - 1)
        last, end = self._ends.get(stream, (raw + self._offsets[stretch],) * 2)
        reached = max((e for _, e in self._ends.values()), default=end)
        near = end if reached - end < _RARE else reached
        if abs(raw + self._offsets[stretch] - near) > _SMOOTH:
            # Another stream may have met this jump before, however small it is.
            known = min(range(stretch, len(self._offsets)), key=lambda n: abs(raw + self._offsets[n] - near))
            time = raw + self._offsets[known]
            if time < last - _BACK or time > reached + _FORWARD:
                if packet.stream.type != "video":
                    end = reached + _ROOM
                self._offsets.append(end - raw)
                known = len(self._offsets) - 1
            stretch = self._stretch[stream] = known
        self._shift(packet, self._offsets[stretch])
        now = raw + self._offsets[stretch]
        # Not every packet tells its duration: then it is that of the one before.
        length = (packet.duration or 0) * Fraction(packet.time_base) or min(max(now - last, Fraction(0)), Fraction(1))
        self._ends[stream] = (max(last, now), max(end, now + length))

    @staticmethod
    def _shift(packet: Packet[Any], offset: Fraction) -> None:
        if offset:
            shift_packet(packet, offset)
