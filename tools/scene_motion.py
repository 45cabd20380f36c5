"""How steady a clip is when the texture plane goes with the camera, and what following the camera costs.

    python -m tools.scene_motion CLIP STYLE [--frames N]

STYLE takes the texture plane. The clip is painted three times: with the plane held to the screen, moved with the
camera, and moved the wrong way. e_warp is that of `restyle evaluate`; "with the camera" must be the lowest where the
camera moves. All are measured in one run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from realtime.engines.painter import FramePainter
from realtime.errors import InputError
from realtime.frames import Frame
from realtime.jobs.scene_tracking import scene_motion
from realtime.media.convert.rgb import rgb_from_frame
from realtime.media.files.reader import VideoReader
from realtime.options import EngineOptions
from realtime.training.evaluate import FlickerMeter

Place = Callable[[Frame], Frame]

PLACES: dict[str, Place] = {
    "held to the screen": lambda frame: frame.at((0.0, 0.0)),
    "with the camera": lambda frame: frame,
    "the wrong way": lambda frame: frame.at((-frame.origin[0], -frame.origin[1])),
}


class Stopwatch:
    """Calls a function, and remembers how long each call took."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self._work, self._seconds = work, list[float]()

    def __call__(self, *given: Any) -> Any:
        began = time.perf_counter()
        result = self._work(*given)
        self._seconds.append(time.perf_counter() - began)
        return result

    @property
    def milliseconds(self) -> float:
        """The median."""
        return 1000 * median(self._seconds)


def measure(clip: Path, style: str, count: int, options: EngineOptions) -> None:
    """Prints the table.

    Raises:
        InputError: the style has no texture plane.
    """
    with VideoReader(clip) as reader:
        frames = list(islice(iter(reader), count))
    motion = scene_motion()
    placed = [motion(frame) for frame in frames]
    down, right = placed[-1].origin
    print(f"{clip.name}: {len(frames)} frames of {frames[0].width}x{frames[0].height}")
    print(f"the last frame lies {down:.1f} px down and {right:.1f} px right of the first (or of the last cut)")
    source = FlickerMeter()
    for frame in frames:
        rgb = rgb_from_frame(frame)
        source.add(rgb, rgb)
    print(f"{'':20} e_warp  static\n{'source':20} {_scores(source)}")
    with FramePainter(style, options) as painter:
        if not painter.takes_texture:
            raise InputError(f"{style}: has no texture plane")
        following, painting = Stopwatch(scene_motion()), Stopwatch(painter.paint)
        for name, place in PLACES.items():
            meter = FlickerMeter()
            for frame in placed:
                following(frame)
                [styled] = painting([place(frame)])
                meter.add(rgb_from_frame(frame), rgb_from_frame(styled))
            print(f"{name:20} {_scores(meter)}")
        print(f"following {following.milliseconds:.2f} ms a frame, painting {painting.milliseconds:.1f} ms", end=" ")
        print(f"({painter.engine.description}), ratio {following.milliseconds / painting.milliseconds:.3f}")


def _scores(meter: FlickerMeter) -> str:
    e_warp, static = meter.result()
    return f"{e_warp or 0:.4f}  {'-' if static is None else f'{static:.4f}'}"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("style")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--backend", default="torch", choices=["auto", "torch", "onnx", "openvino"])
    given = parser.parse_args()
    measure(given.clip, given.style, given.frames, EngineOptions(backend=given.backend))


if __name__ == "__main__":
    main()
