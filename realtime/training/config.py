"""What a training run is made of. Stored whole in the checkpoint, so that a run can be repeated."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from realtime.errors import InputError
from realtime.transnet.network import Architecture

Precision = Literal["auto", "fp32", "bf16", "fp16"]

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A training run.

    Attributes:
        style_image: the painting.
        content: folder of pictures, searched through to the bottom.
        output: the checkpoint to write (.safetensors).
        features: weights of the loss network; None takes torchvision's VGG-19.
        architecture: the network to train.
        steps: optimisation steps of the whole run, the length of the learning rate's schedule.
        batch: pictures a step.
        size: side of the square crops in pixels that the losses see, a multiple of 8.
        margin: pixels that the network sees around them, a multiple of 8. Without it the border of every crop would
            be scored, and the network learns to please the style loss with a painted frame.
        smallest_crop: smallest share of a picture's shorter side that a crop covers. Frames of a video are smoother
            than small photographs; enlarged crops are as smooth, and teach the network to paint where there is little
            to see.
        style_size: short side of the painting in pixels.
        content_weight, style_weight: of the two perceptual losses, each normalised (see realtime.training.losses).
        layer_weights: of the style error at relu1_1, relu2_1, relu3_1, relu4_1; they are divided by their sum.
        tv: weight of total variation.
        temporal: weight of temporal consistency under synthetic motion.
        noise: standard deviation of the sensor noise between the two views of the temporal loss, 0..1.
        learning_rate: peak, after `warmup` steps; then a half cosine down to 1 % of it.
        clip: bound of the gradient's norm.
        freeze_norm: part of the run after which batch norms keep their statistics, so that the weights settle for what
            inference computes.
        ema: decay of the weights' moving average, which is what gets saved.
        variants: crops of each picture that are used in turn; few enough that their content features can be cached.
        cache_gigabytes: bound of that cache.
        start: a trained style to start from.
        minutes: stop after so many minutes, to be resumed; None runs to the end.
        resume: continue the run whose state lies beside `output`.
        seed: of everything random.
        precision: "auto" is bf16 where the processor or GPU has it.
        preview_every, save_every: in steps.
        title, artist, year: of the painting, for the checkpoint.
        overwrite: replace a checkpoint that is there.
        device, threads: where to train; "auto" takes a GPU where there is one.
        previews: pictures to stylise as the run goes; the first ones of `content` where empty.
    """

    style_image: Path
    content: Path
    output: Path
    features: Path | None = None
    architecture: Architecture = field(default_factory=Architecture)
    steps: int = 10000
    batch: int = 2
    size: int = 192
    margin: int = 16
    smallest_crop: float = 0.2
    style_size: int = 384
    content_weight: float = 1.0
    style_weight: float = 4.0
    layer_weights: tuple[float, ...] = (1.0, 1.0, 2.0, 3.0)
    tv: float = 0.0
    temporal: float = 0.0
    noise: float = 0.015
    learning_rate: float = 1e-3
    warmup: int = 200
    clip: float = 0.3
    freeze_norm: float = 0.6
    ema: float = 0.999
    variants: int = 3
    cache_gigabytes: float = 4.0
    start: str | None = None
    minutes: float | None = None
    resume: bool = False
    seed: int = 0
    precision: Precision = "auto"
    device: str = "auto"
    threads: int | None = None
    preview_every: int = 500
    save_every: int = 250
    previews: tuple[Path, ...] = ()
    title: str = ""
    artist: str = ""
    year: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        checks = {
            "steps": self.steps >= 1,
            "batch": self.batch >= 1,
            "size (a multiple of 8, 64 or more)": self.size % 8 == 0 and self.size >= 64,
            "margin (a multiple of 8, 0 or more)": self.margin % 8 == 0 and self.margin >= 0,
            "smallest_crop (above 0, to 1)": 0 < self.smallest_crop <= 1,
            "style_size (64 or more)": self.style_size >= 64,
            "content_weight": self.content_weight >= 0,
            "style_weight": self.style_weight >= 0,
            "layer_weights (four, not all zero)": len(self.layer_weights) == len(LAYERS)
            and sum(self.layer_weights) > 0,
            "tv": self.tv >= 0,
            "temporal": self.temporal >= 0,
            "learning_rate": self.learning_rate > 0,
            "freeze_norm (0 to 1)": 0 <= self.freeze_norm <= 1,
            "ema (0 to below 1)": 0 <= self.ema < 1,
            "variants": self.variants >= 1,
        }
        for name, good in checks.items():
            if not good:
                raise InputError(f"training: {name} is out of range")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; paths by name only, so that a checkpoint tells nothing of the machine."""
        values = asdict(self)
        values["architecture"] = self.architecture.to_dict()
        for name in ("style_image", "content", "output", "features"):
            values[name] = values[name].name if values[name] is not None else None
        values["start"] = Path(self.start).stem if self.start else None
        for name in (
            "title",
            "artist",
            "year",
            "previews",
            "minutes",
            "resume",
            "overwrite",
            "device",
            "threads",
            "preview_every",
            "save_every",
        ):
            del values[name]
        return values
