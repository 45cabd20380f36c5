"""Checks that turning a knob does not hold up the live filter: `python -m tools.knob_check PICTURE [options]`.

The filter runs without a window on a generated camera, in the style of a picture. Quiet seconds alternate with seconds
in which the paint's key is pressed again and again, so that networks are made beside the painting. What counts are the
times from one picture shown to the next: their longest with keys against their longest without. The other work of the
machine is in both.

The last line is JSON. The exit code is 1 where the longest time with keys is over 40 ms longer.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from itertools import pairwise

from realtime.frames import Frame
from realtime.jobs.live.controls import Controls
from realtime.jobs.live.loop import NoScreen, Session
from realtime.jobs.live.outcome import percentile
from realtime.jobs.live.painter import LivePainter, Look
from realtime.jobs.live.resolution_controller import ResolutionController, ladder
from realtime.jobs.live.styles import LiveStyles
from realtime.media.convert import planes
from realtime.media.live.camera import Camera
from realtime.media.live.overlay import Overlay
from realtime.memory import keep_collections_short
from realtime.options import EngineOptions

STALL_MS = 40.0
"""Most that the longest time between two pictures may grow."""

FIRST_SECONDS = 3.0
"""Left out: the working size is being found."""


class PressingScreen(NoScreen):
    """Notes when pictures are shown. In every second period it presses keys.

    Args:
        period: seconds that are quiet, and then as many with keys.
        every: seconds from key to key.
    """

    def __init__(self, period: float, every: float) -> None:
        self._period, self._every = period, every
        self._begun: float | None = None
        self._pressed = 0.0
        self._more = False
        self.keys_pressed = 0
        self.shown: list[tuple[float, bool]] = []

    def _since(self) -> float:
        now = time.perf_counter()
        if self._begun is None:
            self._begun = now
        return now - self._begun - FIRST_SECONDS

    def show(self, frame: Frame, overlay: Overlay) -> None:
        """Notes the time, and whether keys are being pressed."""
        since = self._since()
        if since >= 0:
            self.shown.append((since, int(since / self._period) % 2 == 1))

    def keys(self) -> list[str]:
        """The next key, when it is time: four times more paint, then four times less."""
        since = self._since()
        if since < 0 or int(since / self._period) % 2 == 0 or since - self._pressed < self._every:
            return []
        self._pressed = since
        self.keys_pressed += 1
        return ["i" if self.keys_pressed // 4 % 2 else "k"]


def gaps_ms(shown: Sequence[tuple[float, bool]], with_keys: bool) -> list[float]:
    """Times from picture to picture in one kind of period."""
    return [1000 * (b[0] - a[0]) for a, b in pairwise(shown) if a[1] == b[1] == with_keys]


def measure(
    picture: str, size: str, rate: int, periods: int, period: float, engine: EngineOptions
) -> dict[str, object]:
    """Runs the filter and compares both kinds of period."""
    screen = PressingScreen(period, every=0.35)
    with (
        Camera(f"lavfi:testsrc2=size={size}:rate={rate}") as source,
        LiveStyles([picture], [], engine.replace(batch=1)) as styles,
    ):
        painter = LivePainter(styles.all, ResolutionController(ladder(source.width, source.height)))
        painter.warm_up(source.sample, 1 / source.rate)
        styles.open_others(planes.scale(source.sample, *painter.controller.size))
        seconds = FIRST_SECONDS + 2 * periods * period
        session = Session(source, painter, screen, Controls([styles.all[0].name], Look()), seconds=seconds)
        outcome = session.run()
        description = styles.all[0].open().engine.description
    quiet, turned = gaps_ms(screen.shown, False), gaps_ms(screen.shown, True)
    found: dict[str, object] = {"engine": description, "working_size": "{}x{}".format(*painter.controller.size)}
    for name, gaps in (("quiet", quiet), ("with_keys", turned)):
        found[name] = {f"p{share}": round(percentile(gaps, share / 100), 1) for share in (50, 95, 99)} | {
            "longest": round(max(gaps), 1),
            "pictures": len(gaps),
        }
    return found | {
        "keys": screen.keys_pressed,
        "dropped": outcome.dropped,
        "longer_ms": round(max(turned) - max(quiet), 1),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", metavar="PICTURE")
    parser.add_argument("--size", default="640x360", metavar="WxH")
    parser.add_argument("--rate", type=int, default=30, metavar="FPS")
    parser.add_argument("--periods", type=int, default=3, metavar="N", help="of each kind")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="of a period")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int)
    given = parser.parse_args(arguments)
    engine = EngineOptions(backend=given.backend, precision=given.precision, threads=given.threads)
    keep_collections_short()  # as the command does
    found = measure(given.picture, given.size, given.rate, given.periods, given.seconds, engine)
    print(json.dumps(found))
    return int(float(str(found["longer_ms"])) > STALL_MS)


if __name__ == "__main__":
    sys.exit(main())
