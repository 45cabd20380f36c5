"""The training loop, on Lightning Fabric. A run stops after the step it is in, and continues where it stopped.

Under `torchrun` it uses as many devices and machines as that starts processes. Each process takes its share of the
pictures; gradients are averaged over all (DistributedDataParallel).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from realtime.engines.workers import using_threads
from realtime.errors import InputError
from realtime.results import TrainProgress, TrainSummary
from realtime.training.adversarial import Adversary
from realtime.training.card import UNKNOWN
from realtime.training.clips import Clips
from realtime.training.content_hold import ContentHold
from realtime.training.content_pictures import content_pictures
from realtime.training.data import Crop, Crops, Order, Picture, load_picture
from realtime.training.devices import make_fabric
from realtime.training.emitted import painting_tensor
from realtime.training.objective import Objective
from realtime.training.paths import state_path
from realtime.training.run import TrainingRun
from realtime.training.run_files import RunFiles, TrainedFiles
from realtime.training.signals import stopping
from realtime.training.state import State, pack, part, unpack
from realtime.transnet.checkpoint import StyleCard, load_checkpoint
from realtime.transnet.gallery import find_style
from realtime.transnet.growth import can_grow, grow
from realtime.transnet.network import TransNet

log = logging.getLogger(__name__)

LOG_EVERY = 10
"""Steps between two entries of the TensorBoard log."""

Report = Callable[[TrainProgress], None]


def train(run: TrainingRun, *, overwrite: bool = False, report: Report | None = None) -> TrainSummary:
    """Train a style.

    Args:
        run: what to train.
        overwrite: replace a checkpoint that exists.
        report: called after each step.

    Raises:
        InputError: a file or an option is wrong.
        RestyleError: the checkpoint or the log cannot be written; the last good state stays.
    """
    output = run.output
    if output.suffix != ".safetensors":
        raise InputError(f"{output}: a checkpoint's name ends in .safetensors")
    if not output.parent.is_dir():
        raise InputError(f"{output.parent}: no such folder")
    if output.exists() and not overwrite:
        raise InputError(f"{output}: exists; replace it with --overwrite, or continue its run with --resume {output}")
    return run_trainer(run, report=report)


def resume(
    output: Path,
    *,
    style_image: Path | None = None,
    content: Path | None = None,
    options: Mapping[str, Any] | None = None,
    report: Report | None = None,
) -> TrainSummary:
    """Continue a run. The result is that of a run that was never stopped.

    Args:
        output: the checkpoint that the run writes; its state lies beside it.
        style_image, content: where they are now, if they have moved.
        options: that are to be other than before; see `TrainingRun.changed`.
        report: called after each step.

    Raises:
        InputError: there is no state, it is damaged, or an option would change the recipe.
        RestyleError: see `train`.
    """
    state = State.read(output)
    if state.run.learned:
        raise InputError(f"{output}: its run is one of restyle learn; continue it with restyle learn --resume")
    return run_trainer(state.run.changed(style_image, content, options or {}), state=state, report=report)


def run_trainer(
    run: TrainingRun,
    *,
    state: State | None = None,
    network: TransNet | None = None,
    files: RunFiles | None = None,
    spent: float = 0.0,
    report: Report | None = None,
) -> TrainSummary:
    """Run a `Trainer`, with its arguments, from where it is to the end; nothing of the process is changed after it."""
    with using_threads(run.options.threads or torch.get_num_threads()), torch.random.fork_rng(devices=[]):
        return Trainer(run, state, network=network, files=files, spent=spent).train(report)


def _initial_network(run: TrainingRun) -> TransNet:
    start, architecture = run.options.start, run.architecture
    if start is None:
        return TransNet(architecture)
    network, card = load_checkpoint(find_style(start))
    if not can_grow(card.architecture, architecture):
        raise InputError(
            f"{start}: its architecture ({card.architecture}) does not grow to this run's ({architecture})"
        )
    return grow(network, architecture)


def averaged(network: TransNet, decay: float) -> AveragedModel:
    """An exponential moving average of a network's weights, over fewer steps at the beginning."""

    def update(averages: Any, weights: Any, count: Any) -> None:
        n = int(count)
        for average, weight in zip(averages, weights, strict=True):
            average.lerp_(weight, 1 - min(decay, (1 + n) / (10 + n)))

    average = AveragedModel(network, multi_avg_fn=update).eval()
    average.n_averaged += 1  # the initial weights count
    return average


class Trainer:
    """One run; `train` and `resume` are the functions to call.

    Args:
        run: what to train.
        state: where to continue; None begins.
        network: what to begin with, of the run's architecture; None: what the options say.
        files: what is written; None: what `restyle train` writes.
        spent: seconds of the run that went before this call began to count.
    """

    def __init__(
        self,
        run: TrainingRun,
        state: State | None = None,
        *,
        network: TransNet | None = None,
        files: RunFiles | None = None,
        spent: float = 0.0,
    ) -> None:
        began = time.monotonic()
        self.run, self.options = run, run.options
        c = self.options
        # What is cheap to check comes before what takes time or a download (torchvision's weights).
        read = painting_tensor if run.learned else load_picture
        painting = read(run.style_image, c.style_size)
        pictures = content_pictures(run.content, c.seed)
        torch.manual_seed(c.seed)
        if state is not None:
            network = TransNet(run.architecture)
        elif network is None:
            network = _initial_network(run)
        teacher = load_checkpoint(find_style(c.teacher))[0] if c.teacher else None
        clips = Clips(c.clips, side=c.size + 2 * c.margin) if c.clips else None
        self.fabric = make_fabric(c, run.output.stem)
        self.fabric.launch()
        self.crops = Crops(
            pictures, size=c.size, margin=c.margin, smallest=c.smallest_crop, variants=c.variants, seed=c.seed
        )
        self.hold = ContentHold(network.to(self.fabric.device)) if c.hold_content else None
        texture = run.architecture.texture
        self.objective = Objective(
            c, self.fabric, painting, self.crops, texture=texture, teacher=teacher, clips=clips, hold=self.hold
        )
        optimizer = torch.optim.Adam(network.parameters(), lr=c.learning_rate, betas=(0.9, 0.99))
        self.network, self.optimizer = self.fabric.setup(network.to(memory_format=torch.channels_last), optimizer)
        self.raw = network
        self.average = averaged(network, c.ema)
        self.smoothed = cast(TransNet, self.average.module)  # is what gets saved
        self.adversary = Adversary(self.fabric, painting, c.size) if c.adversarial else None
        self.files = files or TrainedFiles(run.output, c.save_every, c.preview_every)
        self.step = 0
        if state is not None:
            self._restore(state)
        self.first, self._began = self.step, time.monotonic()
        self._before = spent + (state.seconds if state is not None else 0.0) + self._began - began

    def _restore(self, state: State) -> None:
        path, processes = state_path(self.run.output), self.fabric.world_size
        if state.processes != processes:
            raise InputError(f"{path}: the run to resume had {state.processes} processes, not {processes}")
        try:
            unpack(state.tensors, "style", self.raw, self.optimizer)
            self.smoothed.load_state_dict(part(state.tensors, "average."))
            if self.hold is not None:
                self.hold.reference.load_state_dict(part(state.tensors, "reference."))
                self.hold.log_factor = float(state.tensors["content_hold"])
            if self.adversary is not None:
                unpack(state.tensors, "discriminator", self.adversary.network, self.adversary.optimizer)
        except (KeyError, RuntimeError) as error:
            raise InputError(f"{path}: the state of the run is damaged: {error}") from None
        self.fabric.strategy.precision.load_state_dict(state.scaler)
        self.step = state.step
        self.average.n_averaged += state.step

    def state(self) -> State:
        """From which the run can continue."""
        tensors = pack("style", self.raw, self.optimizer)
        tensors |= {f"average.{k}": v for k, v in self.smoothed.state_dict().items()}
        if self.hold is not None:
            tensors |= {f"reference.{k}": v for k, v in self.hold.reference.state_dict().items()}
            tensors["content_hold"] = torch.tensor(self.hold.log_factor, dtype=torch.float64)
        if self.adversary is not None:
            tensors |= pack("discriminator", self.adversary.network, self.adversary.optimizer)
        scaler = self.fabric.strategy.precision.state_dict()  # of fp16; empty for the others
        seconds = self._before + self.seconds
        return State(self.run, self.step, self.fabric.world_size, seconds, scaler, tensors)

    def card(self) -> StyleCard:
        """What the checkpoint says of the style."""
        run, c, processes = self.run, self.options, self.fabric.world_size
        recipe = run.recipe() | {"processes": processes, "steps_done": self.step}
        recipe["pictures_seen"] = self.step * c.batch * c.accumulate * processes
        recipe["seconds"] = round(self._before + self.seconds, 1)
        recipe["licence"] = c.license or UNKNOWN
        if run.legs:
            recipe["legs"] = list(run.legs)
        return StyleCard(run.output.stem, c.title, c.artist, c.year, run.architecture, recipe, path=run.output)

    # The loop

    def train(self, report: Report | None = None) -> TrainSummary:
        """Train until the end, until the time is over, or until a signal.

        Raises:
            RestyleError: the checkpoint or the log cannot be written; the last good state stays.
        """
        running: dict[str, float] = {}
        batches = self._batches()
        self._write(self.files.begin)
        with stopping() as stop:
            while not self._at_end():
                late = self.options.minutes is not None and self.seconds > self.options.minutes * 60
                if self._any(stop.is_set() or late):
                    break
                found = self._advance(next(batches), share=self._share())
                for name, value in found.items():
                    running[name] = 0.98 * running.get(name, value) + 0.02 * value
                self._log(found)
                if report and self.fabric.is_global_zero:
                    report(self._progress(running))
                self._write(self.files.after_step, running)
            stopped = stop.is_set()
        finished = self._share() >= 1
        self._write(self.files.end, running, finished)
        return TrainSummary(
            output=str(self.run.output),
            steps=self.step,
            finished=finished,
            interrupted=stopped and not finished,
            device=str(self.fabric.device),
            processes=self.fabric.world_size,
            precision=self.fabric.strategy.precision.precision,
            seconds=self.seconds,
            losses=running,
        )

    def _write(self, write: Callable[..., None], *arguments: Any) -> None:
        if self.fabric.is_global_zero:
            write(self, *arguments)

    def _log(self, found: Mapping[str, float]) -> None:
        if self.options.log_dir is not None and self.step % LOG_EVERY == 0:
            self.fabric.log_dict({f"loss/{k}": v for k, v in found.items()}, step=self.step)
            self.fabric.log("learning_rate", self._learning_rate(self._share()), step=self.step)

    def show(self, sheet: Tensor) -> None:
        """Log a preview, (3, H, W) in 0..1."""
        if self.options.log_dir is not None:
            board: Any = self.fabric.logger
            board.experiment.add_image("preview", sheet, self.step)

    # How far the run is

    @property
    def seconds(self) -> float:
        """Wall-clock time of this call, without the preparation."""
        return time.monotonic() - self._began

    @property
    def pictures(self) -> Sequence[Picture]:
        """The content."""
        return self.crops.pictures

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.fabric.device

    def _share(self) -> float:
        """Of the whole run, 0 to 1: by steps, or by time where the run's length is one."""
        c = self.options
        if c.length_minutes is None:
            return min(1.0, self.step / c.steps)
        if self.step == 0:  # a run has one step at least
            return 0.0
        return min(1.0, (self._before + self.seconds) / (60 * c.length_minutes))

    def _at_end(self) -> bool:
        """Whether this call has no step to make. All processes must call this."""
        c = self.options
        if c.length_minutes is not None:
            return self._any(self._share() >= 1)
        return self.step >= min(c.steps, c.until or c.steps)

    def _progress(self, running: Mapping[str, float]) -> TrainProgress:
        c, share = self.options, self._share()
        if c.length_minutes is not None:
            steps = max(self.step, round(self.step / max(share, 1e-6)))
            return TrainProgress(self.step, steps, 60 * c.length_minutes * (1 - share), dict(running))
        pace = self.seconds / (self.step - self.first)
        return TrainProgress(self.step, c.steps, pace * (c.steps - self.step), dict(running))

    # A step

    def _batches(self) -> Iterator[list[list[Crop]]]:
        """The batches of each step, from where the run is, without end."""
        c = self.options
        world, rank = self.fabric.world_size, self.fabric.global_rank
        order = Order(len(self.crops), c.seed, self.step * c.batch * c.accumulate * world + rank, world)
        loader: Any = self.fabric.setup_dataloaders(
            DataLoader(self.crops, batch_size=c.batch, sampler=order, num_workers=0, collate_fn=list),
            use_distributed_sampler=False,
            move_to_device=False,
        )
        batches = iter(loader)
        while True:
            yield [next(batches) for _ in range(c.accumulate)]

    def _advance(self, batches: list[list[Crop]], *, share: float) -> dict[str, float]:
        """One step of the optimiser, on `accumulate` batches: the losses by name."""
        c = self.options
        self.network.train(share < c.freeze_norm)  # later the weights adapt to constant batch norms
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate(share)
        found: dict[str, float] = {}
        outputs = []
        finite = True
        for micro, crops in enumerate(batches):
            with self.fabric.no_backward_sync(self.network, enabled=micro < len(batches) - 1):
                parts, shown = self.objective(self.network, crops, self.step, self._generator(0, micro))
                if self.adversary is not None:
                    parts["adversarial"] = self.adversary.output_error(shown)
                total = self.objective.total(parts, share)
                self.fabric.backward(total / len(batches))
            finite = finite and bool(torch.isfinite(total))
            outputs.append(shown.detach())
            for name, value in parts.items():
                found[name] = found.get(name, 0.0) + float(value.detach()) / len(batches)
        finite = not self._any(not finite)
        self.fabric.clip_gradients(self.network, self.optimizer, max_norm=c.clip, error_if_nonfinite=False)
        if finite:
            self.optimizer.step()
        else:
            log.warning("step %d: the loss is not finite; the weights are not changed", self.step + 1)
        self.optimizer.zero_grad()
        if self.adversary is not None:
            generators = [self._generator(1, micro) for micro in range(len(outputs))]
            found["judge"] = self.adversary.learn(outputs, generators, update=finite)
        self.step += 1
        self.average.update_parameters(self.raw)
        return found

    def _learning_rate(self, share: float) -> float:
        """A linear rise, and half a cosine down to 1 %."""
        c = self.options
        rise = min(1.0, (self.step + 1) / max(1, c.warmup))
        return c.learning_rate * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))

    def _generator(self, purpose: int, micro: int) -> torch.Generator:
        """Random numbers that depend only on the seed, the step, the process and the batch within the step."""
        place = ((self.step * self.options.accumulate + micro) * self.fabric.world_size + self.fabric.global_rank) * 4
        return torch.Generator().manual_seed(self.options.seed * 15_485_863 + place + purpose)

    def _any(self, value: bool) -> bool:
        """Whether it is true in any process. All processes must call this."""
        if self.fabric.world_size == 1:
            return value
        count: Any = self.fabric.all_reduce(torch.tensor(float(value), device=self.fabric.device), reduce_op="sum")
        return bool(count)
