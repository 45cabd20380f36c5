"""Times of all pictures of a file, read from its packets without decoding."""

from __future__ import annotations

import os

from realtime.media.files.discontinuities import JUMPING_FORMATS
from realtime.media.files.probe import MediaInfo, open_input, pick_video


class Unclear(Exception):
    """The packets do not tell the times of the pictures; the message says why."""


def picture_times(path: str | os.PathLike[str], info: MediaInfo) -> list[int]:
    """Read the times of all pictures from the packets, ascending, in units of the stream's time base.

    Args:
        path: a file.
        info: what `probe` says of it.

    Raises:
        Unclear: some pictures have no time, or share it, or their times are not those of their packets.
        MediaError: the file cannot be read.
    """
    import av.error

    if JUMPING_FORMATS & set(info.formats):
        raise Unclear("its container's clock may jump")
    if info.interlaced:
        raise Unclear("it is interlaced: pictures depend on their neighbours")
    container = open_input(path)
    try:
        stream = pick_video(container, path)
        times: list[int] = []
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if packet.pts is None:
                raise Unclear("not every picture has a time")
            if packet.is_discard or packet.is_corrupt:
                raise Unclear("some of its packets give no picture")
            times.append(packet.pts)
    except av.error.FFmpegError:
        raise Unclear("it cannot be read to its end") from None
    finally:
        container.close()
    times.sort()
    if len(set(times)) < len(times):
        raise Unclear("some pictures share a time")
    if not times or times[0] < 0:
        raise Unclear("it begins before its own clock does")
    return times
