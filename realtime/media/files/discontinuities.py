"""Broadcast streams whose clock jumps: recordings joined end to end, programmes that follow one another."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from realtime.media.files.packet_queue import packet_time, shift_packet

if TYPE_CHECKING:
    from av.packet import Packet

JUMPING_FORMATS = frozenset({"mpegts", "mpeg", "hls"})
"""Containers whose clock may begin anew at any point."""

_ROOM = Fraction(1, 10)
_RARE = 2
_SMOOTH = Fraction(1, 4)
_BACK = Fraction(3, 10)
_FORWARD = 10
"""Seconds. A shorter way forward is a gap in the broadcast, and stays; sound that jumps first leaves some room."""


class SteadyClock:
    """Moves packets after a jump so that their stream goes on where it was.

    All streams of a stretch are moved by the same time, whichever of them met the jump first: sound and picture stay
    as far apart as they were sent.

    Attributes:
        jumps: how many there were.
    """

    def __init__(self) -> None:
        self._offsets = [Fraction(0)]
        self._stretch: dict[int, int] = {}
        self._ends: dict[int, tuple[Fraction, Fraction]] = {}

    @property
    def jumps(self) -> int:
        return len(self._offsets) - 1

    def settle(self, packet: Packet[Any]) -> None:
        """Move one packet; to be called with every packet of every stream, in the order of the file."""
        raw = packet_time(packet)
        if raw is None:
            # It belongs to the stretch that its stream is in.
            self._shift(packet, self._offsets[self._stretch.get(packet.stream_index, 0)])
            return
        stream = packet.stream_index
        stretch = self._stretch.setdefault(stream, len(self._offsets) - 1)
        last, end = self._ends.get(stream, (raw + self._offsets[stretch],) * 2)
        reached = max((e for _, e in self._ends.values()), default=end)
        # Subtitles come rarely: where their stream is says nothing of where the file is.
        near = end if reached - end < _RARE else reached
        if abs(raw + self._offsets[stretch] - near) > _SMOOTH:
            # Another stream may have met the jump that this one meets now, however small it is.
            known = min(range(stretch, len(self._offsets)), key=lambda n: abs(raw + self._offsets[n] - near))
            time = raw + self._offsets[known]
            if time < last - _BACK or time > reached + _FORWARD:
                if packet.stream.type != "video":
                    # Pictures of the new stretch may begin a little before this, and must not meet the old ones.
                    end = reached + _ROOM
                self._offsets.append(end - raw)
                known = len(self._offsets) - 1
            stretch = self._stretch[stream] = known
        self._shift(packet, self._offsets[stretch])
        now = raw + self._offsets[stretch]
        # Not every packet says how long it lasts: then as long as the one before.
        length = (packet.duration or 0) * Fraction(packet.time_base) or min(max(now - last, Fraction(0)), Fraction(1))
        self._ends[stream] = (max(last, now), max(end, now + length))

    @staticmethod
    def _shift(packet: Packet[Any], offset: Fraction) -> None:
        if offset:
            shift_packet(packet, offset)
