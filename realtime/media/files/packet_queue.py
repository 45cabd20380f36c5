"""The way from reader to writer for packets of audio, subtitles and data, which are copied and not stylized."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.packet import Packet


class PacketQueue:
    """Packets in the order of the file. The reader's thread puts them, the writer's thread takes them.

    Packets of streams that nobody asked for are not kept, so that they do not pile up in a reader without a writer.
    """

    def __init__(self) -> None:
        self._packets: deque[Packet[Any]] = deque()
        self._lock = Lock()
        self._wanted: frozenset[int] = frozenset()

    @property
    def wanted(self) -> frozenset[int]:
        """Indices of the streams whose packets are kept."""
        return self._wanted

    def want(self, streams: Iterable[int]) -> None:
        """Keep packets of these stream indices from now on. To be called before the first frame is read."""
        self._wanted = frozenset(streams)

    def put(self, packet: Packet[Any]) -> None:
        """Append one packet if its stream is wanted."""
        if packet.stream_index in self._wanted:
            with self._lock:
                self._packets.append(packet)

    def take(self, until: float | None = None) -> Iterator[Packet[Any]]:
        """Remove and return packets from the front that begin no later than `until` seconds (all where None)."""
        while True:
            with self._lock:
                if not self._packets:
                    return
                if until is not None:
                    time = packet_time(self._packets[0])
                    if time is not None and time > until:
                        return
                packet = self._packets.popleft()
            yield packet

    def __len__(self) -> int:
        return len(self._packets)


def packet_time(packet: Packet[Any]) -> Fraction | None:
    """Decoding time (else presentation time) of a packet in seconds; None where it has neither."""
    stamp = packet.dts if packet.dts is not None else packet.pts
    return None if stamp is None else stamp * Fraction(packet.time_base)


def shift_packet(packet: Packet[Any], seconds: Fraction) -> None:
    """Move a packet in time, to the nearest tick of its own time base."""
    ticks = round(seconds / Fraction(packet.time_base))
    if packet.pts is not None:
        packet.pts += ticks
    if packet.dts is not None:
        packet.dts += ticks
