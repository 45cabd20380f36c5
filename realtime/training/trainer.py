"""The training loop, on Lightning Fabric: one command that stops by itself and goes on where it was.

Started by `torchrun` it runs on as many devices and machines as that says, each process on its share of the pictures;
gradients are averaged over all (DistributedDataParallel).
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader

from realtime.engines.torch.device import cpu_has_bf16
from realtime.errors import InputError, RestyleError
from realtime.perception import losses
from realtime.perception.features import LossNetwork
from realtime.training.adversarial import LEARNING_RATE, Discriminator, judge_error, painter_error, painting_crops
from realtime.training.clips import Clips
from realtime.training.config import TrainConfig
from realtime.training.content import ContentFeatures
from realtime.training.data import Crop, Crops, Order, find_pictures, load_picture
from realtime.training.distillation import Teacher
from realtime.training.motion import Motion, random_motion, sensor_noise
from realtime.training.state import (
    Average,
    pack_training,
    part,
    read_state,
    state_path,
    unpack_training,
    write_state,
)
from realtime.transnet.checkpoint import StyleCard, load_checkpoint, save_checkpoint
from realtime.transnet.color import planes_from_rgb, rgb_from_planes
from realtime.transnet.gallery import find_style, gallery_folder
from realtime.transnet.growth import can_grow, grow
from realtime.transnet.network import TransNet, pack_planes, unpack_planes

log = logging.getLogger(__name__)

LOG_EVERY = 10
"""Steps between two entries of the TensorBoard log."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """How a run stands. Losses are running means, unweighted.

    Attributes:
        step, steps: done, and of the whole run.
        seconds_left: estimated from the pace of this call; None at the beginning.
        losses: by name.
    """

    step: int
    steps: int
    seconds_left: float | None
    losses: dict[str, float]


def stylise_rgb(network: nn.Module, rgb: Tensor) -> Tensor:
    """RGB through a network that works on planes, differentiably.

    Args:
        network: a TransNet.
        rgb: (N, 3, H, W) in 0..1, H and W multiples of 8.

    Returns:
        (N, 3, H, W) fp32, not clamped.
    """
    y, uv = unpack_planes(network(pack_planes(*planes_from_rgb(rgb))).float())
    return rgb_from_planes(y, uv)


def as_shown(rgb: Tensor) -> Tensor:
    """Clamped to 0..1 as a screen does it, with a gradient all the same."""
    return rgb + (rgb.detach().clamp(0, 1) - rgb.detach())


def _precision(wanted: str, device: torch.device) -> str:
    if wanted == "auto":
        if device.type == "cuda":
            wanted = "bf16" if torch.cuda.is_bf16_supported() else "fp32"
        else:
            wanted = "bf16" if cpu_has_bf16() else "fp32"
    return {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[wanted]


def is_main_process() -> bool:
    """Whether this is the only process of a run, or the first of those that `torchrun` started."""
    return int(os.environ.get("RANK", "0")) == 0


def _fabric(config: TrainConfig) -> Fabric:
    """Fabric on one device, or, under torchrun, on all that it speaks of.

    Raises:
        InputError: the device or TensorBoard is not there.
    """
    accelerator, _, index = config.device.partition(":")
    world = int(os.environ.get("WORLD_SIZE", "1"))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
    devices: Any = here if world > 1 else [int(index)] if index else 1
    probe = torch.device("cuda" if accelerator in ("auto", "cuda") and torch.cuda.is_available() else "cpu")
    loggers: Any = []
    if config.log_dir is not None:
        from lightning_fabric.loggers.tensorboard import TensorBoardLogger

        try:
            loggers = [TensorBoardLogger(config.log_dir, name="", version=config.output.stem)]
        except ModuleNotFoundError as error:
            raise InputError(
                f"--log-dir: TensorBoard is not installed ({error}); pip install 'restyle[tensorboard]'"
            ) from None
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        return Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=max(1, world // here),
            strategy="ddp" if world > 1 else "auto",
            precision=_precision(config.precision, probe),  # type: ignore[arg-type]
            loggers=loggers,
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(f"device {config.device}: {error}") from None


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, so that a run ends after the step it is in and saves its state."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {s: signal.signal(s, lambda *_: stop.set()) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


class Trainer:
    """One run. `train` is the function to call."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = c = config
        if c.output.suffix != ".safetensors":
            raise InputError(f"{c.output}: a checkpoint's name ends in .safetensors")
        if not c.output.parent.is_dir():
            raise InputError(f"{c.output.parent}: no such folder")
        if c.output.exists() and not (c.overwrite or c.resume):
            raise InputError(f"{c.output}: exists; use --overwrite, or --resume to go on with its run")
        # what is cheap to check comes before what takes time or the network (torchvision's weights)
        pictures = find_pictures(c.content)
        self.painting = load_picture(c.style_image, c.style_size)
        if c.resume and not state_path(c.output).exists():
            raise InputError(f"{state_path(c.output)}: no state to resume from; run without --resume")
        if c.threads:
            torch.set_num_threads(c.threads)
        torch.manual_seed(c.seed)
        network, self.legs = self._initial_network()
        teacher = load_checkpoint(find_style(c.teacher))[0] if c.teacher else None
        whole = c.size + 2 * c.margin
        self.clips = Clips(c.clips, side=whole, flow=c.flow) if c.clips else None
        self.fabric = _fabric(c)
        self.fabric.launch()
        device = self.fabric.device
        loss_network = LossNetwork.load(c.features, c.loss_network)
        self.loss_network = loss_network.to(device).to(memory_format=torch.channels_last)
        with torch.no_grad():
            taps = self.loss_network(self.painting[None].to(device) / 255)
            self.style_targets = [losses.gram(t)[0] for t in taps]
        if self.fabric._precision.precision == "bf16-mixed":
            self.loss_network.to(torch.bfloat16)
        self.crops = Crops(
            pictures, size=c.size, margin=c.margin, smallest=c.smallest_crop, variants=c.variants, seed=c.seed
        )
        self.layer_weights = torch.tensor(c.layer_weights, device=device) / sum(c.layer_weights)
        chosen = [(layer, weight) for layer, weight in enumerate(c.content_layers) if weight]
        self.content_layers = {layer: weight / sum(c.content_layers) for layer, weight in chosen}
        self.content_features = ContentFeatures(self.loss_network, tuple(self.content_layers), c.cache_gigabytes)
        self.variances = self._content_variances()
        self.teacher = None
        if teacher is not None:
            teacher.to(device).to(memory_format=torch.channels_last)
            self.teacher = Teacher(teacher, self.loss_network)
        optimizer = torch.optim.Adam(network.parameters(), lr=c.learning_rate, betas=(0.9, 0.99))
        self.network, self.optimizer = self.fabric.setup(network.to(memory_format=torch.channels_last), optimizer)
        self.raw: TransNet = network
        self.average = Average(self.raw, c.ema)
        self.judge: Discriminator | None = None
        if c.adversarial:
            self.judge = Discriminator().to(memory_format=torch.channels_last)
            judging = torch.optim.Adam(self.judge.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.99))
            self.wrapped_judge, self.judging = self.fabric.setup(self.judge, judging)
        self.step = 0
        if c.resume:
            self._load_state()
        self.log_path = c.output.with_name(c.output.stem + ".log.jsonl")

    def _initial_network(self) -> tuple[TransNet, list[dict[str, Any]]]:
        """The network to begin with, and the recipes of the runs that led to it: of a checkpoint of one's own, for a
        style of the gallery has a card.
        """
        c = self.config
        if c.start is None:
            return TransNet(c.architecture), []
        path = find_style(c.start)
        network, card = load_checkpoint(path)
        legs = []
        if path.parent.resolve() != gallery_folder().resolve() and card.recipe:
            legs = [*card.recipe.get("legs", []), {k: v for k, v in card.recipe.items() if k != "legs"}]
        if not can_grow(card.architecture, c.architecture):
            raise InputError(
                f"{c.start}: its architecture ({card.architecture}) does not grow to this run's ({c.architecture})"
            )
        return grow(network, c.architecture), legs

    def _content_variances(self) -> list[float]:
        """The mean variance of the content layers' features over some pictures, spread over all."""
        count = min(16, len(self.crops))
        found = []
        for n in range(count):
            crop = self.crops[n * len(self.crops) // count].picture[None].to(self.fabric.device).float() / 255
            with torch.no_grad():
                taps = self.loss_network(crop)
            found.append([float(taps[layer].float().var()) for layer in self.content_layers])
        return [max(1e-6, sum(values) / count) for values in zip(*found, strict=True)]

    # state: everything that a resumed run needs to give the losses of one that was never stopped

    def _save_state(self) -> None:
        if not self.fabric.is_global_zero:
            return
        tensors = pack_training("style", self.raw, self.optimizer)
        tensors |= {f"average.{k}": v for k, v in self.average.values.items()}
        if self.judge is not None:
            tensors |= pack_training("judge", self.judge, self.judging)
        scaler = self.fabric._precision.state_dict()  # of fp16; empty for the others
        write_state(self.config.output, tensors, self.step, self._settings(), scaler)

    def _load_state(self) -> None:
        tensors, self.step, scaler = read_state(self.config.output, self._settings())
        try:
            unpack_training(tensors, "style", self.raw, self.optimizer)
            if self.judge is not None:
                unpack_training(tensors, "judge", self.judge, self.judging)
        except (KeyError, RuntimeError) as error:
            raise InputError(f"{state_path(self.config.output)}: the state of the run is damaged: {error}") from None
        self.average.values = {k: v.to(self.fabric.device) for k, v in part(tensors, "average.").items()}
        self.fabric._precision.load_state_dict(scaler)

    def _settings(self) -> dict[str, Any]:
        """What must be the same for a run to be resumed."""
        return self.config.to_dict() | {"processes": self.fabric.world_size}

    def averaged(self) -> TransNet:
        """The network as it would be saved now."""
        network = TransNet(self.config.architecture)
        network.load_state_dict(self.average.values)
        return network.eval()

    def save(self, metrics: dict[str, Any] | None = None) -> StyleCard:
        """Write the checkpoint."""
        c = self.config
        seen = self.step * c.batch * c.accumulate * self.fabric.world_size
        recipe = self._settings() | {"steps_done": self.step, "pictures_seen": seen}
        if self.legs:
            recipe["legs"] = self.legs
        card = StyleCard(
            c.output.stem, c.title, c.artist, c.year, c.architecture, recipe, metrics=metrics or {}, path=c.output
        )
        if self.fabric.is_global_zero:
            save_checkpoint(c.output, self.averaged(), card)
        return card

    # the loop

    def _learning_rate(self) -> float:
        c = self.config
        warm = min(1.0, (self.step + 1) / max(1, c.warmup))
        return c.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, self.step / c.steps))))

    def _ramp(self) -> float:
        """The share of the style's weight that counts at this step."""
        steps = self.config.style_ramp * self.config.steps
        return 1.0 if self.step >= steps else 0.1 + 0.9 * self.step / steps

    def _generator(self, purpose: int, micro: int) -> torch.Generator:
        """Randomness that depends on the seed, the step, the process and the batch within the step alone."""
        place = ((self.step * self.config.accumulate + micro) * self.fabric.world_size + self.fabric.global_rank) * 4
        return torch.Generator().manual_seed(self.config.seed * 15_485_863 + place + purpose)

    def _second_views(self, rgb: Tensor, micro: int) -> tuple[list[Tensor], Motion]:
        """What the network sees beside the crops for the temporal loss, the later view last; and the motion to it."""
        c = self.config
        n, _, side, _ = rgb.shape
        generator = self._generator(0, micro)
        if self.clips is not None and self.step % 2:
            before, now, motion = self.clips(n, generator)
            views = [(v.to(rgb.device).float() / 255).to(memory_format=torch.channels_last) for v in (before, now)]
            return views, motion.to(rgb.device)
        motion = random_motion(n, side, generator).to(rgb.device)
        return [sensor_noise(motion.apply(rgb), c.noise, generator)], motion

    def _losses(self, crops: list[Crop], micro: int = 0) -> tuple[dict[str, Tensor], Tensor]:
        """The losses of one batch by name, unweighted; and the pictures as the losses see them."""
        c = self.config
        n = len(crops)
        pictures = torch.stack([crop.picture for crop in crops]).to(self.fabric.device)
        rgb = (pictures.float() / 255).to(memory_format=torch.channels_last)

        def window(x: Tensor) -> Tensor:
            cut = [p[:, k.top : k.top + c.size, k.left : k.left + c.size] for p, k in zip(x, crops, strict=True)]
            return torch.stack(cut).to(memory_format=torch.channels_last)

        if c.temporal:
            views, motion = self._second_views(rgb, micro)
            every = stylise_rgb(self.network, torch.cat([rgb, *views]))
            output, first, second = every[:n], every[-2 * n : -n], every[-n:]
        else:
            output = stylise_rgb(self.network, rgb)
        shown = as_shown(window(output))
        taps = self.loss_network(shown, recompute=c.grad_checkpoint)
        content = self.content_features([crop.index for crop in crops], window(rgb))
        of_layers = [
            weight * losses.content_error(taps[layer], target, variance).mean()
            for (layer, weight), target, variance in zip(
                self.content_layers.items(), content, self.variances, strict=True
            )
        ]
        parts = {"content": torch.stack(of_layers).sum(), "gamut": losses.gamut_error(output).mean()}
        layers = losses.style_errors(taps, self.style_targets, c.style_pool).mean(1)
        parts["style"] = (layers * self.layer_weights).sum()
        parts |= {name: layer.detach() for name, layer in zip(self.loss_network.taps, layers, strict=True)}
        if c.local_style:
            parts["local_style"] = losses.local_errors(taps, self.style_targets, c.size).mean()
        if c.tv:
            parts["tv"] = losses.total_variation(output).mean()
        if c.grid:
            parts["grid"] = losses.grid_error(output)
        if c.temporal:
            parts["temporal"] = losses.temporal_error(second, motion.apply(first), motion.valid).mean()
        if self.teacher is not None:
            with torch.no_grad(), self.fabric.autocast():
                target = stylise_rgb(self.teacher.network, rgb).clamp(0, 1)
            parts["teacher"] = self.teacher.error(shown, taps, window(target)).mean()
        if self.judge is not None:
            self.judge.requires_grad_(False)  # its own gradients come from `_judge`
            with self.fabric.autocast():
                parts["adversarial"] = painter_error(self.judge(shown).float())
            self.judge.requires_grad_(True)
        return parts, shown.detach()

    def _total(self, parts: dict[str, Tensor]) -> Tensor:
        c = self.config
        weights = {
            "content": c.content_weight,
            "style": c.style_weight * self._ramp(),
            "gamut": c.gamut,
            "local_style": c.local_style * self._ramp(),
            "tv": c.tv,
            "grid": c.grid,
            "temporal": c.temporal,
            "teacher": c.teacher_weight,
            "adversarial": c.adversarial,
        }
        return torch.stack([weight * parts[name] for name, weight in weights.items() if name in parts]).sum()

    def _judge(self, shown: Tensor, micro: int) -> Tensor:
        """The discriminator's own loss on one batch, and its gradients."""
        real = painting_crops(self.painting, len(shown), self.config.size, self._generator(1, micro)).to(shown)
        error = judge_error(*self.wrapped_judge(torch.cat([real, shown])).float().chunk(2))
        self.fabric.backward(error / self.config.accumulate)
        return error.detach()

    def _advance(self, batches: list[list[Crop]]) -> dict[str, float]:
        """One step of the optimiser, on `accumulate` batches: the losses by name."""
        c = self.config
        self.network.train(self.step < c.freeze_norm * c.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        found: dict[str, float] = {}
        outputs = []
        finite = True
        for micro, crops in enumerate(batches):
            with self.fabric.no_backward_sync(self.network, enabled=micro < len(batches) - 1):
                parts, shown = self._losses(crops, micro)
                total = self._total(parts)
                self.fabric.backward(total / len(batches))
            finite = finite and bool(torch.isfinite(total))
            outputs.append(shown)
            for name, value in parts.items():
                found[name] = found.get(name, 0.0) + float(value.detach()) / len(batches)
        finite = self._any(not finite) is False
        self.fabric.clip_gradients(self.network, self.optimizer, max_norm=c.clip, error_if_nonfinite=False)
        if finite:
            self.optimizer.step()
        else:
            log.warning("step %d: the loss is not finite; the weights stay as they were", self.step + 1)
        self.optimizer.zero_grad()
        if self.judge is not None:
            judged = [self._judge(shown, micro) for micro, shown in enumerate(outputs)]
            found["judge"] = float(torch.stack(judged).mean())
            if finite:
                self.judging.step()
            self.judging.zero_grad()
        self.step += 1
        self.average.update(self.raw, self.step)
        return found

    def _any(self, value: bool) -> bool:
        """Whether it is so in any process. All of them must ask."""
        if self.fabric.world_size == 1:
            return value
        count = self.fabric.all_reduce(torch.tensor(float(value), device=self.fabric.device), reduce_op="sum")
        return bool(count)

    def _batches(self) -> Iterator[list[list[Crop]]]:
        """The batches of each step, from where the run stands, without end."""
        c = self.config
        world, rank = self.fabric.world_size, self.fabric.global_rank
        seen = self.step * c.batch * c.accumulate * world
        order = Order(len(self.crops), c.seed, seen + rank, world)
        loader: Any = self.fabric.setup_dataloaders(
            DataLoader(self.crops, batch_size=c.batch, sampler=order, num_workers=0, collate_fn=list),
            use_distributed_sampler=False,
            move_to_device=False,
        )
        step: list[list[Crop]] = []
        for crops in loader:
            step.append(crops)
            if len(step) == c.accumulate:
                yield step
                step = []

    def run(self, report: Callable[[StepReport], None] | None = None) -> dict[str, Any]:
        """Train until done, out of time, or told to stop.

        Raises:
            RestyleError: the checkpoint or the log cannot be written; the last good state stays.
        """
        c = self.config
        began, first = time.monotonic(), self.step
        running: dict[str, float] = {}
        batches = self._batches()
        with _stopping() as stop:
            while self.step < min(c.steps, c.until or c.steps):
                late = c.minutes is not None and time.monotonic() - began > c.minutes * 60
                if self._any(stop.is_set() or late):
                    break
                found = self._advance(next(batches))
                for name, value in found.items():
                    running[name] = 0.98 * running.get(name, value) + 0.02 * value
                if c.log_dir is not None and self.step % LOG_EVERY == 0:
                    self.fabric.log_dict({f"loss/{k}": v for k, v in found.items()}, step=self.step)
                    self.fabric.log("learning_rate", self._learning_rate(), step=self.step)
                if report and self.fabric.is_global_zero:
                    pace = (time.monotonic() - began) / (self.step - first)
                    report(StepReport(self.step, c.steps, pace * (c.steps - self.step), dict(running)))
                if self.step % c.save_every == 0:
                    self._checkpoint(running, began, first)
                if self.step % c.preview_every == 0:
                    self.preview()
            stopped = stop.is_set()
        self._checkpoint(running, began, first)
        self.preview()
        return {
            "output": str(c.output),
            "steps": self.step,
            "finished": self.step >= c.steps,
            "interrupted": stopped,
            "device": str(self.fabric.device),
            "processes": self.fabric.world_size,
            "precision": self.fabric._precision.precision,
            "seconds": time.monotonic() - began,
            "losses": running,
        }

    def _checkpoint(self, running: dict[str, float], began: float, first: int) -> None:
        self.save()
        self._save_state()
        if not self.fabric.is_global_zero:
            return
        entry = {"step": self.step, "seconds": round(time.monotonic() - began, 1), "since": first}
        entry |= {k: round(v, 5) for k, v in running.items()}
        try:
            with self.log_path.open("a") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise RestyleError(f"{self.log_path}: cannot be written: {error}") from error

    @torch.no_grad()
    def preview(self) -> Path | None:
        """Stylise the preview pictures with the averaged weights; one PNG, pictures above their results.

        Raises:
            RestyleError: it cannot be written.
        """
        if not self.fabric.is_global_zero:
            return None
        from torchvision.utils import save_image

        c = self.config
        network = self.averaged().to(self.fabric.device)
        pairs = []
        for path in c.previews or tuple(self.crops.pictures[:: max(1, len(self.crops.pictures) // 4)][:4]):
            try:
                picture = load_picture(path, 360)[:, :, :480].float().to(self.fabric.device) / 255
            except InputError:
                continue  # the crops report it
            h, w = (s // 8 * 8 for s in picture.shape[1:])
            picture = picture[None, :, :h, :w]
            result = stylise_rgb(network, picture).clamp(0, 1)
            pairs.append(nn.functional.pad(torch.cat([picture, result], 2), (0, 480 - w)))
        if not pairs:
            return None
        sheet = torch.cat(pairs, 3)[0]
        target = c.output.with_name(c.output.stem + ".preview.png")
        try:
            save_image(sheet, target)
        except OSError as error:
            raise RestyleError(f"{target}: cannot be written: {error}") from error
        if c.log_dir is not None:
            board: Any = self.fabric.logger
            board.experiment.add_image("preview", sheet, self.step)
        return target


def train(config: TrainConfig, report: Callable[[StepReport], None] | None = None) -> dict[str, Any]:
    """Train a style.

    Raises:
        InputError: a file or setting is wrong.
        RestyleError: the checkpoint cannot be written; the last good one stays.
    """
    return Trainer(config).run(report)
