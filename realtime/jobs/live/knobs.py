"""What can be turned while the filter runs, beside the strength: texture, paint and strokes, by keys.

The texture is an input of each frame. The amount of paint and the size of the strokes are inputs of the network that
takes any painting: another network is made for them (`realtime.jobs.live.adjusting`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Set
from dataclasses import dataclass, replace

from realtime.jobs.live.painter import KnobName, Look
from realtime.media.live.overlay import Slider
from realtime.options import StyleOptions
from realtime.style.emitted import amounts

_STEP = 0.1
_STEPS_PER_DOUBLING = 4


@dataclass(frozen=True, slots=True)
class Knob:
    """One of them.

    Attributes:
        name: of the option.
        more, less: the keys.
        read: its value.
        place: where a value is on the slider, 0..1.
        moved: the value a number of steps further, within its range.
        turned: a look with another value.
    """

    name: KnobName
    more: str
    less: str
    read: Callable[[Look], float]
    place: Callable[[float], float]
    moved: Callable[[float, int], float]
    turned: Callable[[Look, float], Look]

    def press(self, key: str, look: Look) -> Look:
        """The look after one of its keys."""
        return self.turned(look, self.moved(self.read(look), 1 if key == self.more else -1))

    def slider(self, look: Look) -> Slider:
        """As it is drawn."""
        value = self.read(look)
        return Slider(f"{self.name} ({self.less} {self.more})", self.place(value), f"{value:.2f}")


def _evenly(value: float, steps: int) -> float:
    return min(1.0, max(0.0, round(value + steps * _STEP, 3)))


def _by_ratio(value: float, steps: int) -> float:
    """Sizes of strokes: half and double are as far from 1."""
    number = round(math.log2(value) * _STEPS_PER_DOUBLING) + steps
    return float(2 ** (min(_STEPS_PER_DOUBLING, max(-_STEPS_PER_DOUBLING, number)) / _STEPS_PER_DOUBLING))


def _remade(look: Look, options: StyleOptions) -> Look:
    return replace(look, style_options=options)


KNOBS = (
    Knob(
        "paint",
        "i",
        "k",
        read=lambda look: amounts(look.style_options)[0],
        place=float,
        moved=_evenly,
        turned=lambda look, value: _remade(look, look.style_options.replace(paint=value)),
    ),
    Knob(
        "stroke",
        "u",
        "j",
        read=lambda look: amounts(look.style_options)[1],
        place=lambda value: (math.log2(value) + 1) / 2,
        moved=_by_ratio,
        turned=lambda look, value: _remade(look, look.style_options.replace(stroke=value)),
    ),
    Knob(
        "texture",
        "t",
        "g",
        read=lambda look: look.paint.texture,
        place=float,
        moved=_evenly,
        turned=lambda look, value: replace(look, paint=look.paint.replace(texture=value)),
    ),
)

KNOB_OF_KEY = {key: knob for knob in KNOBS for key in (knob.more, knob.less)}


def sliders(look: Look, names: Set[KnobName]) -> tuple[Slider, ...]:
    """The sliders of the knobs that a style has."""
    return tuple(knob.slider(look) for knob in KNOBS if knob.name in names)
