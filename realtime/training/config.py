"""What a training run is made of. Stored whole in the checkpoint, so that a run can be repeated."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from realtime.errors import InputError
from realtime.perception.features import NetworkName
from realtime.training.clips import FlowMethod
from realtime.transnet.network import Architecture

Precision = Literal["auto", "fp32", "bf16", "fp16"]

NETWORK = Architecture(body=48, dilations=(1, 2, 2, 2, 1), norm="instance", contours=(4, 8, 16), cell=4)
"""What is trained where nothing is said: what won the trials in checkpoints/README.md, less one period of contours, so
that it stays under 16 kMAC a pixel."""

GAMUT = 10.0
"""Weight of values outside of 0..1, which are clipped when shown: nothing is gained by them."""

LAYERS = 4
"""Taps of a loss network that a run looks at."""


def _weights(values: tuple[float, ...]) -> bool:
    return len(values) == LAYERS and min(values) >= 0 and sum(values) > 0


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A training run.

    Attributes:
        style_image: the painting.
        content: folder of pictures, searched through to the bottom.
        output: the checkpoint to write (.safetensors).
        features: weights of the loss network; None takes torchvision's.
        loss_network: which one; see `realtime.perception.features` for where each is tapped.
        architecture: the network to train.
        steps: optimisation steps of the whole run, the length of the learning rate's schedule.
        batch: pictures that go through the network at once, on each device.
        accumulate: so many batches make one step of the optimiser.
        size: side of the square crops in pixels that the losses see, a multiple of 8.
        margin: pixels that the network sees around them, a multiple of 8. Without it the border of every crop would
            be scored, and the network learns to please the style loss with a painted frame.
        smallest_crop: smallest share of a picture's shorter side that a crop covers. Frames of a video are smoother
            than small photographs; enlarged crops are as smooth, and teach the network to paint where there is little
            to see.
        style_size: short side of the painting in pixels.
        content_weight, style_weight: of the two perceptual losses, each normalised (see realtime.perception.losses).
        style_ramp: part of the run in which the style's weight grows from a tenth to the whole. A network that begins
            with nothing learns to show the scene first; with the whole weight at once it may find blobs that please the
            Gram matrices, and stay there.
        layer_weights: of the style error at relu1_1, relu2_1, relu3_1, relu4_1 (or the four taps of another loss
            network); they are divided by their sum. 0 leaves a layer out.
        content_layers: the same for the content error.
        style_pool: so many crops of a step share one Gram matrix; a divisor of `batch`.
        local_style: weight of the style's error over tiles of 128 px, the mean of all four layers (`restyle evaluate`
            calls it local). Where the crops are larger than a tile it keeps the style from gathering on a few patches.
        gamut: weight of what lies outside of 0..1. Where much does, shadows may turn pure green: darker than black
            in their luma, and not gray in their chroma.
        tv: weight of total variation.
        grid: weight of what stands out at the periods of the network's cells (see `losses.grid_error`).
        temporal: weight of temporal consistency under synthetic motion.
        clips: folder of real clips; every second step takes its temporal loss from them, not from synthetic motion.
        flow: how the motion in them is estimated: "dis" (OpenCV) or "raft" (torchvision).
        noise: standard deviation of the sensor noise between the two views of the temporal loss, 0..1.
        learning_rate: peak, after `warmup` steps; then a half cosine down to 1 % of it.
        clip: bound of the gradient's norm.
        freeze_norm: part of the run after which batch norms keep their statistics, so that the weights settle for what
            inference computes.
        ema: decay of the weights' moving average, which is what gets saved.
        variants: crops of each picture that are used in turn; few enough that their content features can be cached.
        cache_gigabytes: bound of that cache.
        teacher: a trained style, usually of a larger network, whose pictures are to be learned.
        teacher_weight: of the difference to them.
        adversarial: weight of the patch discriminator's judgement (see realtime.training.adversarial).
        grad_checkpoint: compute the loss network's features twice instead of keeping them: slower by a third or so, in
            a fraction of the memory. (TransNet itself is small, and its batch norms must see each batch once.)
        start: a trained style to start from.
        until: stop after this step, to be resumed; the schedule stays that of `steps`.
        minutes: stop after so many minutes, to be resumed; None runs to the end.
        resume: continue the run whose state lies beside `output`.
        seed: of everything random.
        precision: "auto" is bf16 where the processor or GPU has it.
        preview_every, save_every: in steps.
        title, artist, year: of the painting, for the checkpoint.
        log_dir: folder for TensorBoard logs; none without it.
        overwrite: replace a checkpoint that is there.
        device, threads: where to train; "auto" takes a GPU where there is one.
        previews: pictures to stylise as the run goes; the first ones of `content` where empty.
    """

    style_image: Path
    content: Path
    output: Path
    features: Path | None = None
    loss_network: NetworkName = "vgg19"
    architecture: Architecture = NETWORK
    steps: int = 10000
    batch: int = 2
    accumulate: int = 1
    size: int = 192
    margin: int = 16
    smallest_crop: float = 0.2
    style_size: int = 384
    content_weight: float = 1.0
    style_weight: float = 4.0
    style_ramp: float = 0.0
    layer_weights: tuple[float, ...] = (1.0, 1.0, 2.0, 3.0)
    content_layers: tuple[float, ...] = (0.0, 0.0, 0.0, 1.0)
    style_pool: int = 1
    local_style: float = 0.0
    gamut: float = GAMUT
    tv: float = 0.0
    grid: float = 0.0
    temporal: float = 0.0
    clips: Path | None = None
    flow: FlowMethod = "dis"
    noise: float = 0.015
    learning_rate: float = 1e-3
    warmup: int = 200
    clip: float = 0.3
    freeze_norm: float = 0.6
    ema: float = 0.999
    variants: int = 3
    cache_gigabytes: float = 4.0
    teacher: str | None = None
    teacher_weight: float = 1.0
    adversarial: float = 0.0
    grad_checkpoint: bool = False
    start: str | None = None
    until: int | None = None
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
    log_dir: Path | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        checks = {
            f"loss_network ({', '.join(get_args(NetworkName))})": self.loss_network in get_args(NetworkName),
            "steps": self.steps >= 1,
            "batch": self.batch >= 1,
            "size (a multiple of 8, 64 or more)": self.size % 8 == 0 and self.size >= 64,
            "margin (a multiple of 8, 0 or more)": self.margin % 8 == 0 and self.margin >= 0,
            "smallest_crop (above 0, to 1)": 0 < self.smallest_crop <= 1,
            "style_size (64 or more)": self.style_size >= 64,
            "content_weight": self.content_weight >= 0,
            "style_weight": self.style_weight >= 0,
            "style_ramp (0 to 1)": 0 <= self.style_ramp <= 1,
            "accumulate": self.accumulate >= 1,
            "layer_weights (four of 0 or more, not all zero)": _weights(self.layer_weights),
            "content_layers (four of 0 or more, not all zero)": _weights(self.content_layers),
            "teacher_weight": self.teacher_weight >= 0,
            "adversarial": self.adversarial >= 0,
            "clips (they need a temporal weight)": self.clips is None or self.temporal > 0,
            f"flow ({', '.join(get_args(FlowMethod))})": self.flow in get_args(FlowMethod),
            "style_pool (a divisor of batch)": self.style_pool >= 1 and self.batch % self.style_pool == 0,
            "local_style": self.local_style >= 0,
            "gamut": self.gamut >= 0,
            "tv": self.tv >= 0,
            "grid": self.grid >= 0,
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
        for name in ("style_image", "content", "output", "features", "clips"):
            values[name] = values[name].name if values[name] is not None else None
        if self.loss_network == "vgg19":
            del values["loss_network"]  # runs from before there was a choice do not name it, and can be resumed
        if not self.local_style:
            del values["local_style"]  # the same
        if self.gamut == GAMUT:
            del values["gamut"]
        for name in ("start", "teacher"):
            values[name] = Path(values[name]).stem if values[name] else None
        for name in (
            "title",
            "artist",
            "year",
            "previews",
            "until",
            "minutes",
            "resume",
            "overwrite",
            "device",
            "threads",
            "preview_every",
            "save_every",
            "log_dir",
        ):
            del values[name]
        return values
