"""Recipes: what a painting is optimised for, and how; and the presets, each as its source sets it.

| preset | after |
|---|---|
| gatys | Gatys, Ecker & Bethge 2015 (arXiv 1508.06576) in PyTorch: convolutions before their ReLU, Adam |
| guide | a guide for PyTorch: four style layers, Johnson's Gram matrix, the photograph as the start |
| keras | the style transfer tutorial of TensorFlow and Keras |
| five-layer | content and style at the ends of all five blocks |

Weights are those of the source, for VGG-19 as trained on ImageNet. Absolute errors grow with the square (content) and
the fourth power (style) of a network's activations; with weights of another scale, such as normalised ones, the balance
is another. `gram="relative"` and `content_error="variance"` do not depend on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from realtime.errors import InputError
from realtime.perception.features import VGG19_LAYERS, LossNetwork
from realtime.perception.losses import ContentNormalisation, GramNormalisation

Optimizer = Literal["adam", "lbfgs"]
Start = Literal["content", "noise"]
Layers = tuple[tuple[str, float], ...]
"""(layer, weight) pairs. Weights are taken as they are, not divided by their sum."""

LBFGS_RATE = 1.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a painting is optimised for, and how.

    The loss is content_weight * (sum over layers of weight * content error) + style_weight * (the same of Gram errors)
    + tv * total variation; see `realtime.perception.losses`. Pictures are RGB in 0..1.

    Attributes:
        name: of the preset that it comes from.
        content, style: layers of the loss network with their weights.
        content_error, gram: how errors are normalised; see `content_divisor` and `gram_error`.
        content_weight, style_weight: of the two losses.
        tv: weight of total variation (mean square difference of neighbouring pixels, Mahendran & Vedaldi 2014).
        start: the photograph, or noise about middle gray.
        noise: standard deviation of that noise.
        optimizer: Adam (Kingma & Ba 2014, arXiv 1412.6980), or L-BFGS (Liu & Nocedal 1989) with a line search for the
            strong Wolfe conditions.
        learning_rate: Adam's, in units of 0..1 a step; for L-BFGS the first length of a line search.
        beta1, beta2, epsilon: Adam's.
        steps: of the optimiser, at each scale.
        clamp: to 0..1 after each step, not at the end alone.
        clip: bound of the gradient's norm; None leaves it alone. Not for L-BFGS, whose line search needs the gradient.
        scales: short sides in pixels, ascending, at which the picture is painted one after the other; each begins with
            the result of the one before. The last one is the size of the picture.
        size: short side where there are no scales; None keeps the photograph's.
        long_side: longest side instead, in pixels.
    """

    name: str
    content: Layers
    style: Layers
    content_error: ContentNormalisation
    gram: GramNormalisation
    content_weight: float
    style_weight: float
    start: Start
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

    def __post_init__(self) -> None:
        def some(layers: Layers) -> bool:
            weights = [weight for _, weight in layers]
            return all(0 <= w < math.inf for w in weights) and sum(weights) > 0

        checks = {
            "content layers (weights of 0 or more, not all zero)": some(self.content),
            "style layers (weights of 0 or more, not all zero)": some(self.style),
            _choice("content error", ContentNormalisation): self.content_error in get_args(ContentNormalisation),
            _choice("gram", GramNormalisation): self.gram in get_args(GramNormalisation),
            _choice("optimizer", Optimizer): self.optimizer in get_args(Optimizer),
            _choice("start", Start): self.start in get_args(Start),
            "content weight (0 or more)": 0 <= self.content_weight < math.inf,
            "style weight (0 or more)": 0 <= self.style_weight < math.inf,
            "tv (0 or more)": 0 <= self.tv < math.inf,
            "noise (0 to 1)": 0 <= self.noise <= 1,
            "learning rate (above 0)": 0 < self.learning_rate < math.inf,
            "beta1 (0 to below 1)": 0 <= self.beta1 < 1,
            "beta2 (0 to below 1)": 0 <= self.beta2 < 1,
            "epsilon (above 0)": 0 < self.epsilon < math.inf,
            "steps (1 or more)": self.steps >= 1,
            "clip (above 0)": self.clip is None or self.clip > 0,
            "clip (L-BFGS takes none)": self.clip is None or self.optimizer == "adam",
            f"scales (ascending, {SMALLEST} or more)": all(s >= SMALLEST for s in self.scales)
            and list(self.scales) == sorted(set(self.scales)),
            f"size ({SMALLEST} or more)": self.size is None or self.size >= SMALLEST,
        }
        for name, good in checks.items():
            if not good:
                raise InputError(f"painting: {name} is out of range")

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers that are looked at, each once."""
        return tuple(dict.fromkeys(name for name, weight in (*self.content, *self.style) if weight))

    def changed(self, **values: Any) -> Recipe:
        """The recipe with other values; None leaves a value as it is.

        L-BFGS without a learning rate of its own takes 1, and without a bound of the gradient's norm none: both are
        Adam's affair in the presets.

        Raises:
            InputError: a value is out of range.
        """
        given = {name: value for name, value in values.items() if value is not None}
        if given.get("optimizer") == "lbfgs" and self.optimizer != "lbfgs":
            given = {"learning_rate": LBFGS_RATE, "clip": None} | given
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

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


SMALLEST = 64
"""Pixels of the shorter side: the deepest layers see 1/16 of it, and pad that by reflection."""


def _choice(name: str, literal: Any) -> str:
    return f"{name} ({', '.join(get_args(literal))})"


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
    start="noise",
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
    # The other way round (content 1e4) the photograph is left: errors of matrices divided by C H W are small.
    content_weight=1e1,
    style_weight=1e4,
    start="content",
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
    start="content",
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
    start="content",
    learning_rate=0.01,
    steps=500,
)

PRESETS: Mapping[str, Recipe] = {recipe.name: recipe for recipe in (GATYS, GUIDE, KERAS, FIVE_LAYER)}


def find_preset(name: str) -> Recipe:
    """A preset by its name.

    Raises:
        InputError: there is none.
    """
    if name not in PRESETS:
        raise InputError(f"preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def parse_layers(text: str) -> Layers:
    """Layers as people write them: "relu3_1", "relu1_1:0.5,relu4_1:2", or by torchvision's index of VGG-19: "0,5,10".

    Raises:
        InputError: it is none of these.
    """
    found: list[tuple[str, float]] = []
    for part in text.split(","):
        name, colon, weight = part.strip().partition(":")
        try:
            value = float(weight) if colon else 1.0
            name = VGG19_LAYERS[int(name)] if name.isdecimal() else name
        except (ValueError, IndexError):
            name = ""
        if not name:
            raise InputError(
                f"layers {text!r}: NAME or NAME:WEIGHT with commas between are wanted, such as relu3_1:0.5"
            )
        found.append((name, value))
    return tuple(found)
