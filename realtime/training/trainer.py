"""The training loop, on Lightning Fabric: one command that stops by itself and goes on where it was."""

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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.data import DataLoader

from realtime.engines.torch_engine import cpu_has_bf16
from realtime.errors import InputError
from realtime.training import losses
from realtime.training.config import LAYERS, TrainConfig
from realtime.training.data import Crop, Crops, Order, find_pictures, load_picture
from realtime.training.features import LossNetwork
from realtime.training.motion import random_motion, sensor_noise
from realtime.transnet.checkpoint import StyleCard, load_checkpoint, save_checkpoint, write_atomically
from realtime.transnet.color import planes_from_rgb, rgb_from_planes
from realtime.transnet.gallery import find_style
from realtime.transnet.network import TransNet, pack_planes, unpack_planes

log = logging.getLogger(__name__)


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


class Average:
    """A moving average of a network's weights; the norms' statistics are copied as they are."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step; early on the average is short."""
        decay = min(self.decay, (1 + step) / (10 + step))
        parameters = {k for k, _ in network.named_parameters()}
        for k, v in network.state_dict().items():
            if k in parameters:
                self.values[k].lerp_(v, 1 - decay)
            else:
                self.values[k].copy_(v)


class ContentFeatures:
    """relu4_1 of the content crops, kept in memory in bf16 up to a bound (they cost as much as a third of a step)."""

    def __init__(self, network: LossNetwork, gigabytes: float) -> None:
        self.network, self.room = network, gigabytes * 2**30
        self.kept: dict[int, Tensor] = {}

    @torch.no_grad()
    def __call__(self, indices: list[int], rgb: Tensor) -> Tensor:
        """(N, 512, H/8, W/8) for crops `rgb` (N, 3, H, W) that have these indices in the data set."""
        taken = []
        for n, index in enumerate(indices):
            features = self.kept.get(index)
            if features is None:
                # one by one and rounded at once: what comes out does not depend on what was kept, so that a resumed
                # run, whose memory is empty, goes on with the very same numbers
                features = self.network(rgb[n : n + 1])[3][0].to(torch.bfloat16).cpu()
                size = features.numel() * 2
                if self.room >= size:
                    self.kept[index] = features
                    self.room -= size
            taken.append(features.to(rgb.device))
        return torch.stack(taken)


def _precision(config: TrainConfig, fabric_device: torch.device) -> str:
    wanted = config.precision
    if wanted == "auto":
        if fabric_device.type == "cuda":
            wanted = "bf16" if torch.cuda.is_bf16_supported() else "fp32"
        else:
            wanted = "bf16" if cpu_has_bf16() else "fp32"
    return {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[wanted]


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


def state_path(output: Path) -> Path:
    """Where a run keeps what it needs to go on."""
    return output.with_name(output.stem + ".state.safetensors")


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
        painting = load_picture(c.style_image, c.style_size)
        if c.resume and not state_path(c.output).exists():
            raise InputError(f"{state_path(c.output)}: no state to resume from; run without --resume")
        if c.threads:
            torch.set_num_threads(c.threads)
        torch.manual_seed(c.seed)
        accelerator = c.device.split(":")[0]
        probe = torch.device("cuda" if accelerator in ("auto", "cuda") and torch.cuda.is_available() else "cpu")
        fabric_logger = logging.getLogger("lightning_fabric")
        fabric_logger.setLevel(logging.WARNING)
        devices: Any = [int(c.device.split(":")[1])] if ":" in c.device else 1
        self.fabric = Fabric(accelerator=accelerator, devices=devices, precision=_precision(c, probe))  # type: ignore[arg-type]
        self.fabric.launch()
        device = self.fabric.device
        half = self.fabric._precision.precision == "bf16-mixed"
        self.loss_network = LossNetwork.load(c.features).to(device).to(memory_format=torch.channels_last)
        with torch.no_grad():
            taps = self.loss_network(painting[None].to(device) / 255)
            self.style_targets = [losses.gram(t)[0] for t in taps]
        if half:
            self.loss_network.to(torch.bfloat16)
        self.crops = Crops(
            pictures, size=c.size, margin=c.margin, smallest=c.smallest_crop, variants=c.variants, seed=c.seed
        )
        self.content_features = ContentFeatures(self.loss_network, c.cache_gigabytes)
        network = self._initial_network()
        optimizer = torch.optim.Adam(network.parameters(), lr=c.learning_rate, betas=(0.9, 0.99))
        self.network, self.optimizer = self.fabric.setup(network.to(memory_format=torch.channels_last), optimizer)
        self.raw: TransNet = network
        self.average = Average(self.raw, c.ema)
        self.layer_weights = torch.tensor(c.layer_weights, device=device) / sum(c.layer_weights)
        self.step = 0
        if c.resume:
            self._load_state()
        self.log_path = c.output.with_name(c.output.stem + ".log.jsonl")

    def _initial_network(self) -> TransNet:
        c = self.config
        if c.start is None:
            return TransNet(c.architecture)
        network, card = load_checkpoint(find_style(c.start))
        if card.architecture == c.architecture:
            return network
        if replace(card.architecture, contours=c.architecture.contours) != c.architecture or card.architecture.contours:
            raise InputError(f"{c.start}: has another architecture ({card.architecture}) than this run")
        grown = TransNet(c.architecture)  # contours begin with no influence: what was learned without them stays
        grown.load_state_dict(network.state_dict(), strict=False)
        return grown

    # state: everything that a resumed run needs to give the losses of one that was never stopped

    def _save_state(self) -> None:
        if not self.fabric.is_global_zero:
            return
        tensors = {f"network.{k}": v for k, v in self.raw.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.values.items()}
        names = [k for k, _ in self.raw.named_parameters()]
        for i, entry in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{names[i]}.{k}": torch.as_tensor(v) for k, v in entry.items()}
        tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        metadata = {"step": str(self.step), "config": json.dumps(self.config.to_dict())}
        write_atomically(state_path(self.config.output), save(tensors, metadata))

    def _load_state(self) -> None:
        path = state_path(self.config.output)
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {k: file.get_tensor(k) for k in file.keys()}
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: the state of the run is damaged: {error}") from None
        then, now = json.loads(metadata["config"]), json.loads(json.dumps(self.config.to_dict()))
        changed = sorted(k for k in now if then.get(k) != now[k])
        if changed:
            raise InputError(f"{path}: the run to resume had other settings for {', '.join(changed)}")

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.raw.load_state_dict(part("network."))
        self.average.values = {k: v.to(self.fabric.device) for k, v in part("average.").items()}
        state = self.optimizer.state_dict()
        entries = part("optimizer.")
        for i, (name, _) in enumerate(self.raw.named_parameters()):
            state["state"][i] = {k: entries[f"{name}.{k}"] for k in ("step", "exp_avg", "exp_avg_sq")}
        self.optimizer.load_state_dict(state)
        self.step = int(metadata["step"])

    def averaged(self) -> TransNet:
        """The network as it would be saved now."""
        network = TransNet(self.config.architecture)
        network.load_state_dict(self.average.values)
        return network.eval()

    def save(self, metrics: dict[str, Any] | None = None) -> StyleCard:
        """Write the checkpoint."""
        c = self.config
        recipe = c.to_dict() | {"steps_done": self.step, "pictures_seen": self.step * c.batch}
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

    def _losses(self, crops: list[Crop]) -> dict[str, Tensor]:
        c = self.config
        n = len(crops)
        pictures = torch.stack([crop.picture for crop in crops]).to(self.fabric.device)
        rgb = (pictures.float() / 255).to(memory_format=torch.channels_last)

        def window(x: Tensor) -> Tensor:
            cut = [p[:, k.top : k.top + c.size, k.left : k.left + c.size] for p, k in zip(x, crops, strict=True)]
            return torch.stack(cut).to(memory_format=torch.channels_last)

        if c.temporal:
            generator = torch.Generator().manual_seed(c.seed * 15_485_863 + self.step)
            motion = random_motion(n, rgb.shape[-1], generator).to(rgb.device)
            second = sensor_noise(motion.apply(rgb), c.noise, generator)
            both = stylise_rgb(self.network, torch.cat([rgb, second]))
            output, other = both[:n], both[n:]
        else:
            output = stylise_rgb(self.network, rgb)
        seen = window(output)
        shown = seen + (seen.detach().clamp(0, 1) - seen.detach())  # clamped as shown, with a gradient all the same
        taps = self.loss_network(shown)
        content = self.content_features([crop.index for crop in crops], window(rgb))
        parts = {
            "content": losses.content_error(taps[3], content).mean(),
            "gamut": losses.gamut_error(output).mean(),
        }
        layers = losses.style_errors(taps, self.style_targets).mean(1)
        parts["style"] = (layers * self.layer_weights).sum()
        parts |= {name: layer.detach() for name, layer in zip(LAYERS, layers, strict=True)}
        if c.tv:
            parts["tv"] = losses.total_variation(output).mean()
        if c.temporal:
            parts["temporal"] = losses.temporal_error(other, motion.apply(output), motion.valid).mean()
        return parts

    def _total(self, parts: dict[str, Tensor]) -> Tensor:
        c = self.config
        total = c.content_weight * parts["content"] + c.style_weight * parts["style"] + 10.0 * parts["gamut"]
        if c.tv:
            total = total + c.tv * parts["tv"]
        if c.temporal:
            total = total + c.temporal * parts["temporal"]
        return total

    def run(self, report: Callable[[StepReport], None] | None = None) -> dict[str, Any]:
        """Train until done, out of time, or told to stop."""
        c = self.config
        loader: Any = self.fabric.setup_dataloaders(
            DataLoader(
                self.crops,
                batch_size=c.batch,
                sampler=Order(len(self.crops), c.seed, self.step * c.batch),
                num_workers=0,
                collate_fn=list,
            ),
            use_distributed_sampler=False,
            move_to_device=False,
        )
        began, first = time.monotonic(), self.step
        running: dict[str, float] = {}
        with _stopping() as stop:
            for crops in loader:
                if self.step >= c.steps or stop.is_set():
                    break
                if c.minutes is not None and time.monotonic() - began > c.minutes * 60:
                    break
                self.network.train(self.step < c.freeze_norm * c.steps)
                for group in self.optimizer.param_groups:
                    group["lr"] = self._learning_rate()
                parts = self._losses(crops)
                total = self._total(parts)
                self.fabric.backward(total)
                self.fabric.clip_gradients(self.network, self.optimizer, max_norm=c.clip, error_if_nonfinite=False)
                if bool(torch.isfinite(total)):
                    self.optimizer.step()
                else:
                    log.warning("step %d: the loss is not finite; the weights stay as they were", self.step + 1)
                self.optimizer.zero_grad()
                self.step += 1
                self.average.update(self.raw, self.step)
                for name, value in ((k, float(v.detach())) for k, v in parts.items()):
                    running[name] = 0.98 * running.get(name, value) + 0.02 * value
                if report:
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
            "precision": self.fabric._precision.precision,
            "seconds": time.monotonic() - began,
            "losses": running,
        }

    def _checkpoint(self, running: dict[str, float], began: float, first: int) -> None:
        self.save()
        self._save_state()
        entry = {"step": self.step, "seconds": round(time.monotonic() - began, 1), "since": first}
        entry |= {k: round(v, 5) for k, v in running.items()}
        with self.log_path.open("a") as file:
            file.write(json.dumps(entry) + os.linesep)

    @torch.no_grad()
    def preview(self) -> Path | None:
        """Stylise the preview pictures with the averaged weights; one PNG, pictures above their results."""
        if not self.fabric.is_global_zero:
            return None
        from torchvision.utils import save_image

        c = self.config
        network = self.averaged().to(self.fabric.device)
        pairs = []
        for path in c.previews or tuple(self.crops.pictures[:: max(1, len(self.crops.pictures) // 4)][:4]):
            picture = load_picture(path, 360)[:, :, :480].float().to(self.fabric.device) / 255
            h, w = (s // 8 * 8 for s in picture.shape[1:])
            picture = picture[None, :, :h, :w]
            result = stylise_rgb(network, picture).clamp(0, 1)
            pairs.append(nn.functional.pad(torch.cat([picture, result], 2), (0, 480 - w)))
        target = c.output.with_name(c.output.stem + ".preview.png")
        save_image(torch.cat(pairs, 3)[0], target)
        return target


def train(config: TrainConfig, report: Callable[[StepReport], None] | None = None) -> dict[str, Any]:
    """Train a style.

    Raises:
        InputError: a file or setting is wrong.
        RestyleError: the checkpoint cannot be written; the last good one stays.
    """
    return Trainer(config).run(report)
