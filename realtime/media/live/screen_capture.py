"""Capture of an X11 screen in a process of its own.

A process that shows a window uses OpenCV's X libraries (see `window.prepare`), with which PyAV's x11grab crashes. So
this program captures the screen and writes the pictures to a pipe: 8-bit 4:2:0, BT.709, limited range, with the time of
capture, in FFmpeg's format NUT.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from fractions import Fraction

from realtime.media.messages import reason

FORMAT = "nut"
_MICROSECOND = Fraction(1, 1_000_000)
_SECONDS_TO_END = 2.0


class ScreenProcess:
    """The capturing process.

    Attributes:
        url: what FFmpeg opens, in the format `FORMAT`, to read its pictures.
    """

    def __init__(self, display: str, options: Mapping[str, str]) -> None:
        """Start to capture.

        Args:
            display: as x11grab takes it: ":0", ":0.0+100,50".
            options: x11grab's.
        """
        command = [sys.executable, "-m", __name__, display, json.dumps(dict(options))]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the reading program, which ends this one
        )
        assert self._process.stdout is not None
        self.url = f"pipe:{self._process.stdout.fileno()}"

    def close(self) -> str:
        """End it, and return the last line of its messages; empty when there are none."""
        self._process.terminate()
        try:
            _, said = self._process.communicate(timeout=_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            _, said = self._process.communicate()
        lines = said.decode(errors="replace").splitlines()
        return lines[-1].strip() if lines else ""


def main(arguments: list[str]) -> int:
    """Capture until nobody reads any more.

    Args:
        arguments: the display, and x11grab's options as JSON.

    Returns:
        the exit code: 0, or 1 when the screen cannot be captured; a line on stderr says why.
    """
    import av
    import av.error
    from av.video.reformatter import Interpolation, VideoReformatter

    display, options = arguments[0], json.loads(arguments[1])
    try:
        source = av.open(display, format="x11grab", options=options)
    except (av.error.FFmpegError, ValueError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    screen = source.streams.video[0]
    width, height = screen.width // 2 * 2, screen.height // 2 * 2
    target = av.open("pipe:1", "w", format=FORMAT, container_options={"flush_packets": "1"})
    stream = target.add_stream("rawvideo", rate=screen.average_rate or 30)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.time_base = stream.codec_context.time_base = _MICROSECOND
    reformatter = VideoReformatter()
    try:
        for picture in source.decode(screen):
            plain = reformatter.reformat(
                picture,
                width,
                height,
                "yuv420p",
                dst_colorspace=1,
                dst_color_range=1,
                interpolation=Interpolation.BILINEAR,
                threads=1,
            )
            plain.pts, plain.time_base = picture.pts, picture.time_base
            target.mux(stream.encode(plain))
    except (av.error.BrokenPipeError, KeyboardInterrupt):  # the reader has stopped
        return 0
    except av.error.FFmpegError as error:
        print(reason(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
