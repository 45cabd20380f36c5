"""What a network is trained for: the losses of a batch of crops, and their weights."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from realtime.options import TrainOptions
from realtime.perception import losses
from realtime.perception.features import LossNetwork
from realtime.training.clips import Clips
from realtime.training.content import ContentFeatures
from realtime.training.content_hold import ContentHold
from realtime.training.data import Crop, Crops
from realtime.training.distillation import Teacher
from realtime.training.motion import Motion, random_motion, sensor_noise
from realtime.transnet.color import planes_from_rgb, rgb_from_planes
from realtime.transnet.network import TransNet, pack_planes, unpack_planes
from realtime.transnet.texture import FIELD_SIDE, field_tensor, texture_planes

TILE, PLAIN = 64, 2
"""Of the loss "tile": side of its tiles in pixels, and the tap that it compares, relu3_1."""


def stylise_rgb(network: nn.Module, rgb: Tensor, texture: Tensor | None = None) -> Tensor:
    """RGB through a network that works on planes, differentiably.

    Args:
        network: a TransNet.
        rgb: (N, 3, H, W) in 0..1, H and W multiples of 8.
        texture: (N, 4, H/4, W/4), see `texture_planes`; for networks that take it.

    Returns:
        (N, 3, H, W) fp32, not clamped.
    """
    planes = pack_planes(*planes_from_rgb(rgb))
    if texture is not None:
        planes = torch.cat([planes, texture], 1)
    y, uv = unpack_planes(network(planes).float())
    return rgb_from_planes(y, uv)


class Texture:
    """Parts of the texture plane for training, where the network takes it; nothing where it does not.

    Args:
        wanted: whether it does.
        device: of the planes.
    """

    def __init__(self, wanted: bool, device: torch.device) -> None:
        self._field = field_tensor(device) if wanted else None

    def origins(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, 2): random places on the field, in luma pixels. Draws nothing where there is no texture."""
        if self._field is None:
            return torch.zeros(count, 2)
        return torch.rand(count, 2, generator=generator) * (2 * FIELD_SIDE)

    def __call__(self, origins: Tensor, rgb: Tensor) -> Tensor | None:
        """The planes for (N, 3, H, W) pictures that begin at these (N, 2) places."""
        if self._field is None:
            return None
        h, w = (side // 4 for side in rgb.shape[2:])
        return texture_planes(self._field, origins.to(self._field.device), h, w)


def as_shown(rgb: Tensor) -> Tensor:
    """Clamped to 0..1 as a screen does, with the gradient of the identity."""
    return rgb + (rgb.detach().clamp(0, 1) - rgb.detach())


class Objective:
    """The losses of a training run.

    Args:
        options: of the run.
        fabric: of the run.
        painting: (3, H, W) uint8.
        crops: the content pictures.
        texture: whether the network takes the texture plane.
        teacher: a larger network to learn from.
        clips: real clips for the temporal loss.
        hold: holds the content's error.

    Raises:
        InputError: the loss network cannot be loaded.
    """

    def __init__(
        self,
        options: TrainOptions,
        fabric: Fabric,
        painting: Tensor,
        crops: Crops,
        *,
        texture: bool = False,
        teacher: TransNet | None = None,
        clips: Clips | None = None,
        hold: ContentHold | None = None,
    ) -> None:
        self.options, self.fabric, self.clips, self.hold = options, fabric, clips, hold
        device = fabric.device
        self.loss_network = LossNetwork.load(options.features, options.loss_network)
        self.loss_network.to(device).to(memory_format=torch.channels_last)
        with torch.no_grad():
            self._painting = painting[None].to(device) / 255
            self._style_taps = self.loss_network(self._painting)
            self._style_targets = [losses.gram(t)[0] for t in self._style_taps]
        if loss_precision(options, fabric.strategy.precision.precision) == "bf16":
            self.loss_network.to(torch.bfloat16)
        self._texture = Texture(texture, device)
        self._layer_weights = torch.tensor(options.layer_weights, device=device) / sum(options.layer_weights)
        whole = sum(options.content_layers)
        self._content_layers = {n: weight / whole for n, weight in enumerate(options.content_layers) if weight}
        self._content = ContentFeatures(self.loss_network, tuple(self._content_layers), options.cache_gigabytes)
        self._variances = self._content_variances(crops)
        self.teacher: Teacher | None = None
        if teacher is not None:
            teacher.to(device).to(memory_format=torch.channels_last)
            self.teacher = Teacher(teacher, self.loss_network)
            self._teacher_texture = Texture(teacher.architecture.texture, device)

    def _content_variances(self, crops: Crops) -> list[float]:
        """The mean variance of each content layer's features over up to 16 pictures, spread over all."""
        count = min(16, len(crops))
        found = []
        for n in range(count):
            crop = crops[n * len(crops) // count].picture[None].to(self.fabric.device).float() / 255
            with torch.no_grad():
                taps = self.loss_network(crop)
            found.append([float(taps[layer].float().var()) for layer in self._content_layers])
        return [max(1e-6, sum(values) / count) for values in zip(*found, strict=True)]

    def __call__(
        self, network: nn.Module, crops: list[Crop], step: int, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The losses of one batch.

        Args:
            network: to train.
            crops: the batch.
            step: of the run; every second one takes its motion from clips, where there are any.
            generator: for the motion and its noise.

        Returns:
            losses by name, unweighted; and the pictures as the losses see them, (N, 3, size, size).
        """
        c = self.options
        pictures = torch.stack([crop.picture for crop in crops]).to(self.fabric.device)
        rgb = (pictures.float() / 255).to(memory_format=torch.channels_last)
        n = len(crops)
        motion: Motion | None = None
        origins = self._texture.origins(n, generator)
        if c.temporal:
            views, motion = self._second_views(rgb, step, generator)
            # the last view has moved, the others have not
            places = torch.cat([origins.repeat(len(views), 1), origins + motion.translation().to(origins.device)])
            seen = torch.cat([rgb, *views])
            every = stylise_rgb(network, seen, self._texture(places, seen))
            output, first, second = every[:n], every[-2 * n : -n], every[-n:]
        else:
            output = stylise_rgb(network, rgb, self._texture(origins, rgb))
        shown = as_shown(self._window(output, crops))
        taps = self.loss_network(shown, recompute=c.grad_checkpoint)
        parts = {"content": self._content_error(taps, crops, rgb), "gamut": losses.gamut_error(output).mean()}
        parts |= self._style_errors(taps, generator)
        if c.palette:
            parts["palette"] = losses.sliced_wasserstein_error([shown], [self._painting], generator).mean()
        if c.tv:
            parts["tv"] = losses.total_variation(output).mean()
        if c.grid:
            parts["grid"] = losses.grid_error(output)
        if motion is not None:
            parts["temporal"] = losses.temporal_error(second, motion.apply(first), motion.valid).mean()
        if self.hold is not None and self.hold.due(step):
            with torch.no_grad():
                held = stylise_rgb(self.hold.reference, rgb, self._texture(origins, rgb))
                of_reference = self.loss_network(as_shown(self._window(held, crops)))
                self.hold.follow(parts["content"], self._content_error(of_reference, crops, rgb))
        if self.teacher is not None:
            with torch.no_grad(), self.fabric.autocast():
                target = stylise_rgb(self.teacher.network, rgb, self._teacher_texture(origins, rgb)).clamp(0, 1)
            parts["teacher"] = self.teacher.error(shown, taps, self._window(target, crops)).mean()
        return parts, shown

    def total(self, parts: dict[str, Tensor], share: float) -> Tensor:
        """The weighted sum of the losses when this share of the run, 0..1, is done."""
        c = self.options
        ramp = 1.0 if share >= c.style_ramp else 0.1 + 0.9 * share / c.style_ramp
        weights = {
            "content": c.content_weight * (self.hold.factor if self.hold is not None else 1.0),
            "style": c.style_weight * ramp,
            "gamut": c.gamut,
            "local_style": c.local_style * ramp,
            "tile": c.tile * ramp,
            "swd": c.swd * ramp,
            "palette": c.palette * ramp,
            "tv": c.tv,
            "grid": c.grid,
            "temporal": c.temporal,
            "teacher": c.teacher_weight,
            "adversarial": c.adversarial,
        }
        return torch.stack([weight * parts[name] for name, weight in weights.items() if name in parts]).sum()

    def _window(self, pictures: Tensor, crops: list[Crop]) -> Tensor:
        """What the losses see of (N, 3, S, S) pictures: without the margin.

        With it the border of every crop would be scored, and the network would learn to paint a frame.
        """
        size = self.options.size
        cut = [p[:, k.top : k.top + size, k.left : k.left + size] for p, k in zip(pictures, crops, strict=True)]
        return torch.stack(cut).to(memory_format=torch.channels_last)

    def _second_views(self, rgb: Tensor, step: int, generator: torch.Generator) -> tuple[list[Tensor], Motion]:
        """What the network sees beside the crops for the temporal loss, the later view last; and the motion to it."""
        n, _, side, _ = rgb.shape
        if self.clips is not None and step % 2:
            before, now, motion = self.clips(n, generator)
            views = [(v.to(rgb.device).float() / 255).to(memory_format=torch.channels_last) for v in (before, now)]
            return views, motion.to(rgb.device)
        motion = random_motion(n, side, generator).to(rgb.device)
        return [sensor_noise(motion.apply(rgb), self.options.noise, generator)], motion

    def _content_error(self, taps: list[Tensor], crops: list[Crop], rgb: Tensor) -> Tensor:
        targets = self._content([crop.index for crop in crops], self._window(rgb, crops))
        layers = zip(self._content_layers.items(), targets, self._variances, strict=True)
        of_layers = [w * losses.content_error(taps[n], target, v).mean() for (n, w), target, v in layers]
        return torch.stack(of_layers).sum()

    def _style_errors(self, taps: list[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """The style's error, those of its layers (for reports), and the other comparisons that have a weight."""
        c = self.options
        layers = losses.style_errors(taps, self._style_targets, c.style_pool).mean(1)
        parts = {"style": (layers * self._layer_weights).sum()}
        parts |= {name: layer.detach() for name, layer in zip(self.loss_network.taps, layers, strict=True)}
        if c.local_style:
            sides = [max(1, round(losses.TILE * tap.shape[-1] / c.size)) for tap in taps]
            tiles = [losses.tile_grams(tap, side) for tap, side in zip(taps, sides, strict=True)]
            parts["local_style"] = losses.local_errors(tiles, self._style_targets).mean()
        if c.tile:
            side = max(1, round(TILE * taps[PLAIN].shape[-1] / c.size))
            parts["tile"] = losses.tile_errors(taps[PLAIN], self._style_targets[PLAIN], side).mean()
        if c.swd:
            compared = taps[1:], self._style_taps[1:]
            parts["swd"] = losses.sliced_wasserstein_error(*compared, generator).mean()
        return parts


def loss_precision(options: TrainOptions, training: str) -> str:
    """The number format of the loss network: as the option says, or that of the training (by Lightning's name)."""
    if options.loss_precision == "auto":
        return "bf16" if training == "bf16-mixed" else "fp32"
    return options.loss_precision
