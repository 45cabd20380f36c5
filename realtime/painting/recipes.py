"""Recipes: the loss of a painting and its optimiser; and the presets, with the values of their sources.

| preset | after |
|---|---|
| gatys | Gatys, Ecker & Bethge 2015 (arXiv 1508.06576) in PyTorch: convolutions before their ReLU, Adam |
| guide | a guide for PyTorch: four style layers, Johnson's Gram matrix, the photograph as the start |
| keras | the style transfer tutorial of TensorFlow and Keras |
| five-layer | content and style at the ends of all five blocks |

Weights are those of the source, for VGG-19 as trained on ImageNet. Absolute errors grow with the square (content) and
the fourth power (style) of a network's activations, so that weights of another scale, such as normalised ones, change
the balance. `gram="relative"` and `content_error="variance"` do not depend on the scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from realtime.errors import InputError
from realtime.options import (
    ContentNormalisation,
    GramNormalisation,
    Init,
    Optimizer,
    PaintingOptions,
    Preset,
)
from realtime.perception.features import VGG19_LAYERS, LossNetwork

Layers = tuple[tuple[str, float], ...]
"""(layer, weight) pairs. Weights are used as they are, not divided by their sum."""

SMALLEST = 64
"""Pixels of the shorter side: the deepest layers have 1/16 of it, and pad that by reflection."""

LBFGS_RATE = 1.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """The loss of a painting, and how it is optimised.

    The loss is content_weight * (sum over layers of weight * content error) + style_weight * (the same of Gram errors)
    + tv * total variation; see `realtime.perception.losses`. Pictures are RGB in 0..1.

    Attributes:
        name: of the preset.
        content, style: layers of the loss network with their weights.
        content_error, gram: normalisation of the errors; see `content_divisor` and `gram_error`.
        content_weight, style_weight: of the two losses.
        tv: weight of total variation (mean square difference of neighbouring pixels, Mahendran & Vedaldi 2014).
        init: what the painting begins with: the photograph, or noise about middle gray.
        noise: standard deviation of that noise.
        optimizer: Adam (Kingma & Ba 2014, arXiv 1412.6980), or L-BFGS (Liu & Nocedal 1989) with a line search for the
            strong Wolfe conditions.
        learning_rate: Adam's, in units of 0..1 a step; for L-BFGS the first length of a line search.
        beta1, beta2, epsilon: Adam's.
        steps: of the optimiser, at each scale.
        clamp: to 0..1 after each step, not only at the end.
        clip: bound of the gradient's norm; None for none. Not for L-BFGS, whose line search needs the gradient.
        scales: short sides in pixels, ascending, at which the picture is painted one after the other; each begins with
            the result of the previous one. The last one is the size of the picture.
        size: short side where there are no scales; None keeps the photograph's.
        long_side: longest side instead, in pixels.
    """

    name: Preset
    content: Layers
    style: Layers
    content_error: ContentNormalisation
    gram: GramNormalisation
    content_weight: float
    style_weight: float
    init: Init
    learning_rate: float
    steps: int
    optimizer: Optimizer = "adam"
    tv: float = 0.0
    noise: float = 0.05
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    clamp: bool = False
    clip: float | None = None
    scales: tuple[int, ...] = ()
    size: int | None = 512
    long_side: int | None = None

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers that have a weight, each once."""
        return tuple(dict.fromkeys(name for name, weight in (*self.content, *self.style) if weight))

    def changed(self, **values: Any) -> Recipe:
        """The recipe with other values; None keeps a value.

        L-BFGS takes a learning rate of 1 where none is given, and no bound of the gradient's norm: those of the presets
        are for Adam.
        """
        given = {name: value for name, value in values.items() if value is not None}
        if given.get("optimizer") == "lbfgs":
            given = {"learning_rate": LBFGS_RATE} | given | {"clip": None}
        return replace(self, **given)

    def on(self, network: LossNetwork) -> Recipe:
        """The recipe for a loss network that is not VGG-19: style at its four taps, content at the third, weights of
        the same sums. Itself where the network has all the layers.

        Raises:
            InputError: it is a VGG-19 that lacks some, or other layers than the preset's were asked for.
        """
        preset = PRESETS[self.name]
        own = (self.content, self.style) != (preset.content, preset.style)
        if network.name == "VGG-19" or own:
            network.require(self.layers)
            return self
        content, style = sum(w for _, w in self.content), sum(w for _, w in self.style)
        taps = network.taps
        return replace(self, content=((taps[2], content),), style=tuple((tap, style / len(taps)) for tap in taps))

    def sizes(self, height: int, width: int, short_side: int | None = None) -> list[tuple[int, int]]:
        """The sizes at which a picture is painted, one after the other.

        Args:
            height, width: of the photograph. The recipe's own sizes never enlarge it.
            short_side: of the last size; None takes the recipe's.

        Returns:
            (height, width) of each.

        Raises:
            InputError: the photograph is too small.
        """
        short = min(height, width)
        if short_side is not None:
            last = short_side
        elif self.scales:
            last = min(short, self.scales[-1])
        elif self.long_side is not None:
            last = min(short, round(short * self.long_side / max(height, width)))
        else:
            last = min(short, self.size or short)
        if last < SMALLEST:
            raise InputError(f"{width}x{height}: painted at {last} px, {SMALLEST} are needed; give --size")
        shorts = [*(s for s in self.scales if s < last), last]
        return [(max(s, round(height * s / short)), max(s, round(width * s / short))) for s in shorts]


def _index(*indices: int) -> tuple[str, ...]:
    return tuple(VGG19_LAYERS[i] for i in indices)


def _each(weight: float, names: tuple[str, ...]) -> Layers:
    return tuple((name, weight) for name in names)


GATYS = Recipe(
    name="gatys",
    content=_each(0.5, _index(5, 10)),
    style=_each(0.2, _index(0, 5, 10, 19, 28)),
    content_error="gatys",
    gram="gatys",
    content_weight=1.0,
    style_weight=15.0,
    init="noise",
    learning_rate=0.03,
    clip=1.0,
    steps=20 * 100,
)

GUIDE = Recipe(
    name="guide",
    content=(("relu4_2", 1.0),),
    style=_each(1.0, ("relu1_1", "relu2_1", "relu3_1", "relu4_1")),
    content_error="mean",
    gram="chw",
    # With the two exchanged (content 1e4) the photograph hardly changes: errors of matrices divided by C H W are small.
    content_weight=1e1,
    style_weight=1e4,
    init="content",
    learning_rate=0.003,
    steps=500,
    scales=(256, 512, 1024),
)

KERAS = Recipe(
    name="keras",
    content=(("relu5_2", 1.0),),
    style=_each(1 / 5, ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")),
    content_error="mean",
    gram="pixels",
    content_weight=1e4,
    style_weight=1e-2,
    init="content",
    learning_rate=0.02,
    beta1=0.99,
    epsilon=0.1,
    clamp=True,
    steps=1000,
    size=None,
    long_side=512,
)

FIVE_LAYER = Recipe(
    name="five-layer",
    content=(("relu1_2", 0.05), ("relu2_2", 0.05), ("relu3_4", 0.15), ("relu4_4", 0.3), ("relu5_4", 0.45)),
    style=(("relu1_2", 0.1), ("relu2_2", 0.1), ("relu3_4", 0.6), ("relu4_4", 0.1), ("relu5_4", 0.1)),
    content_error="mean",
    gram="pixels",
    content_weight=0.5,
    style_weight=0.5,
    init="content",
    learning_rate=0.01,
    steps=500,
)

PRESETS: Mapping[Preset, Recipe] = {recipe.name: recipe for recipe in (GATYS, GUIDE, KERAS, FIVE_LAYER)}


def make_recipe(options: PaintingOptions) -> Recipe:
    """The preset of the options, with the values that they give.

    Raises:
        InputError: layers are not written as `parse_layers` reads them.
    """
    o = options
    common = {f.name for f in fields(Recipe)} & {f.name for f in PaintingOptions.fields()} - {
        "size"
    }  # the output's, not the preset's
    recipe = PRESETS[o.preset].changed(
        content=parse_layers("--content-layers", o.content_layers) if o.content_layers is not None else None,
        style=parse_layers("--style-layers", o.style_layers) if o.style_layers is not None else None,
        **{name: getattr(o, name) for name in common},
    )
    return replace(recipe, clip=None) if o.clip == 0 else recipe


def parse_layers(option: str, text: str) -> Layers:
    """Layers with weights: "relu3_1", "relu1_1:0.5,relu4_1:2", or by torchvision's index of VGG-19: "0,5,10".

    Args:
        option: its name, for messages.
        text: its value.

    Raises:
        InputError: the text is something else, or its weights are negative or all 0.
    """
    found: list[tuple[str, float]] = []
    for part in text.split(","):
        name, colon, weight = part.strip().partition(":")
        try:
            value = float(weight) if colon else 1.0
            name = VGG19_LAYERS[int(name)] if name.isdecimal() else name
        except (ValueError, IndexError):
            name = ""
        if not name or not 0 <= value < math.inf:
            raise InputError(f"{option} {text!r}: NAME or NAME:WEIGHT with commas between are wanted, as relu3_1:0.5")
        found.append((name, value))
    if not any(weight for _, weight in found):
        raise InputError(f"{option} {text!r}: one of the weights must be above 0")
    return tuple(found)
