"""How fast engines are, by a short measurement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from realtime.engines.base import Engine
from realtime.engines.candidates import Candidate
from realtime.engines.fidelity import picture_frames
from realtime.errors import RestyleError

SIZE = (640, 360)
"""(width, height) of the frames that are painted."""

ROUNDS = 5
"""Batches of each engine. The fastest counts, because whatever slows a batch down is not the engine."""

Clock = Callable[[], float]


def measure_speeds(
    open: Callable[[Candidate], Engine], candidates: Sequence[Candidate], clock: Clock
) -> dict[str, float]:
    """Frames a second of each candidate, by its name; 0 where it does not run.

    The engines take turns, so that a disturbance meets all of them, and are closed again.

    Raises:
        RestyleError: none of them runs; the first one's reason.
    """
    source = picture_frames(1, size=SIZE)[0]
    speeds = {str(candidate): 0.0 for candidate in candidates}
    engines: dict[str, Engine] = {}
    failures: list[RestyleError] = []
    with ExitStack() as opened:
        for candidate in candidates:
            try:
                engine = opened.enter_context(open(candidate))
                engine.stylize([source] * engine.batch)  # the first batch is slower
                engines[str(candidate)] = engine
            except RestyleError as error:
                failures.append(error)
        for _ in range(ROUNDS):
            for name, engine in list(engines.items()):
                batch, began = [source] * engine.batch, clock()
                try:
                    engine.stylize(batch)
                    speeds[name] = max(speeds[name], round(len(batch) / (clock() - began), 2))
                except RestyleError as error:
                    failures.append(error)
                    speeds[name] = 0.0
                    del engines[name]
    if not engines:
        raise failures[0]
    return speeds
