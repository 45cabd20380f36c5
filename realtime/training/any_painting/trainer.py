"""The trainer of the network for any painting: it starts, continues, paces and saves a run."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from realtime.engines.torch.device import cpu_has_bf16
from realtime.engines.workers import using_threads
from realtime.errors import InputError
from realtime.results import AnyTrainProgress, AnyTrainSummary
from realtime.training.any_painting.batch import BatchShape
from realtime.training.any_painting.card import write_card
from realtime.training.any_painting.features import load_features
from realtime.training.any_painting.hold_out import HeldOut
from realtime.training.any_painting.learner import Learner
from realtime.training.any_painting.objective import TERMS, Objective
from realtime.training.any_painting.pictures import (
    LONG,
    PAINTING_SIDE,
    Pictures,
    hold,
    load_contents,
    read_pictures,
    room_for,
)
from realtime.training.any_painting.pools import MARGIN, PaintingPool, PhotographPool, Seed
from realtime.training.any_painting.preview import Preview
from realtime.training.any_painting.processes import Processes
from realtime.training.any_painting.run import AnyTrainRun
from realtime.training.any_painting.state import AnyState
from realtime.training.data import find_pictures
from realtime.training.signals import stopping
from realtime.transnet.hypernetwork import AnyPaintingCard, Encoder, HyperNetwork, load_any_painting, save_any_painting

CHECK_EVERY = 8
"""Steps on CUDA after which the host waits for the device, so that the clock does not run ahead of it."""

SMOOTH = 0.02
"""Share of the newest step in the losses that are reported."""

Report = Callable[[AnyTrainProgress], None]
Note = Callable[[str], None]

log = logging.getLogger(__name__)


def train_any(
    run: AnyTrainRun, *, overwrite: bool = False, report: Report | None = None, note: Note | None = None
) -> AnyTrainSummary:
    """Train the network for any painting.

    Args:
        run: what to train.
        overwrite: replace a file that exists.
        report: called after each step whose numbers are known.
        note: called with what is worth knowing: what was read, what was held out.

    Raises:
        InputError: a file or an option is wrong.
        RestyleError: the output cannot be written; the last good state stays.
    """
    output = run.output
    if output.suffix != ".safetensors":
        raise InputError(f"{output}: a network's name ends in .safetensors")
    if not output.parent.is_dir():
        raise InputError(f"{output.parent}: no such folder")
    if output.exists() and not overwrite:
        raise InputError(f"{output}: exists; replace it with --overwrite, or continue its run with --resume {output}")
    return _train(run, None, report, note)


def resume_any(
    output: Path,
    *,
    options: Mapping[str, Any] | None = None,
    report: Report | None = None,
    note: Note | None = None,
) -> AnyTrainSummary:
    """Continue a run.

    Args:
        output: the file that the run writes; its state lies beside it.
        options: that are to be other than before; see `AnyTrainRun.changed`.
        report, note: see `train_any`.

    Raises:
        InputError: there is no state, it is damaged, or an option would change the recipe.
        RestyleError: see `train_any`.
    """
    state = AnyState.read(output)
    return _train(state.run.changed(options or {}), state, report, note)


def _train(run: AnyTrainRun, state: AnyState | None, report: Report | None, note: Note | None) -> AnyTrainSummary:
    with using_threads(run.options.threads or torch.get_num_threads()), torch.random.fork_rng(devices=[]):
        with Processes(run.options.device) as processes, _fast_kernels(processes.device):
            return AnyTrainer(run, processes, state, note).train(report)


@contextmanager
def _fast_kernels(device: torch.device) -> Iterator[None]:
    """On CUDA: kernels chosen by measurement, products of fp32 in TF32. Sizes of pictures are few."""
    if device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


class AnyTrainer:
    """One run; `train_any` and `resume_any` are the functions to call.

    Args:
        run: what to train.
        processes: that train together.
        state: where to continue; None begins.
        note: see `train_any`.
    """

    def __init__(
        self, run: AnyTrainRun, processes: Processes, state: AnyState | None = None, note: Note | None = None
    ) -> None:
        self.run, self.options, self.processes = run, run.options, processes
        self.device, self.note = processes.device, note if note and not processes.rank else _no_note
        c = self.options
        if state is not None and state.processes != processes.count:
            raise InputError(f"{run.output}: the run to resume had {state.processes} processes, not {processes.count}")
        self.precision = precision_of(c.precision, self.device)
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        encoder = load_features(c.features, self.device, dtype)
        torch.manual_seed(c.seed)
        network = load_any_painting(Path(c.start))[0] if c.start and state is None else self._new_network()
        network.to(self.device).train()
        self.held_out = HeldOut(run.hold_out)
        self.pictures = self._load_pictures()
        self.seed = Seed(c.seed, processes.rank)
        self.paintings, self.photographs = self._pools(encoder)
        slots = self.paintings.slots, self.photographs.slots
        self.shape = BatchShape(run.paintings, c.contents, run.size, slots, c.mix, c.noise)
        # On the CPU bf16 pays for the large loss network only; in the small ones gradients of bf16 overflowed.
        compute = dtype if self.device.type == "cuda" else torch.float32
        objective = Objective(c, network, encoder, self.paintings, self.photographs, compute)
        self.learner = Learner(network, objective, c.clip)
        self.preview = Preview(encoder, *self.pictures)
        self.step, self.seconds = 0, 0.0
        if state is not None:
            self._restore(state)
        self.paintings.fill(self.step)
        self.photographs.fill(self.step)
        if state is None and c.start is None:
            self._set_scales()
        self.recorded = self.device.type == "cuda" and self._record()
        self._running = torch.zeros(len(TERMS) + 1, device=self.device)

    def _record(self) -> bool:
        """Record the step as a CUDA graph. False where that is not possible: steps then run as they are."""
        reason = self.learner.record(self._batch())
        if reason:
            log.warning("the step runs without a CUDA graph, and slower: %s", reason)
        return reason is None

    def _pools(self, encoder: Encoder) -> tuple[PaintingPool, PhotographPool]:
        c, run = self.options, self.run
        paintings, contents = self.pictures
        fresh = [max(1, math.ceil(count / c.reuse)) for count in (run.paintings, run.paintings * c.contents)]
        return (
            PaintingPool(encoder, paintings, self._shares(paintings), fresh[0], c.pool, self.seed),
            PhotographPool(encoder, contents, run.size, fresh[1], c.pool, self.seed),
        )

    def _new_network(self) -> HyperNetwork:
        return HyperNetwork(self.run.architecture, self.run.kernels)

    def _load_pictures(self) -> tuple[Pictures, Pictures]:
        c, run = self.options, self.run
        side = round(1.25 * (run.size + 2 * MARGIN) / 8) * 8
        contents = load_contents(run.content, side, c.memory / 2)
        found = [find_pictures(folder) for folder in run.folders]
        left = c.memory - contents.values.numel() / 2**30
        kept = room_for(found, PAINTING_SIDE, left)
        reads = [self.held_out.filter(read_pictures(paths, PAINTING_SIDE, LONG)) for paths in kept]
        paintings = hold(reads, run.folders, sum(map(len, kept)), PAINTING_SIDE)
        for name, shown in self.held_out.found:
            self.note(f"held out: {name} shows {shown}")
        size = sum(p.values.numel() for p in (paintings, contents)) / 2**30
        self.note(f"{sum(paintings.files)} paintings, {sum(contents.files)} photographs: {size:.1f} GiB")
        return paintings.to(self.device), contents.to(self.device)

    def _shares(self, paintings: Pictures) -> list[float]:
        shares = self.options.shares or [count**0.5 for count in paintings.counts]
        return [share / sum(shares) for share in shares]

    def _restore(self, state: AnyState) -> None:
        try:
            self.learner.load(state.tensors)
        except (KeyError, RuntimeError) as error:
            raise InputError(f"{self.run.output}: the state of the run is damaged: {error}") from None
        self.step, self.seconds = state.step, state.seconds
        if state.pictures != self._counts():
            log.warning("there were %s pictures before, and are %s now", state.pictures, self._counts())

    def _counts(self) -> list[int]:
        return [*self.pictures[0].counts, *self.pictures[1].counts]

    @torch.no_grad()
    def _set_scales(self) -> None:
        """Set the usual size of each feature, from the paintings of the pool: a new network's scales are 1."""
        pool = self.paintings
        for n, (means, covariances) in enumerate(zip(pool.means, pool.covariances, strict=True)):
            usual = (covariances.diagonal(dim1=1, dim2=2) + means**2).mean(0).clamp_min(0).sqrt()
            scale = self.processes.mean(usual.clamp_min(0.05 * float(usual.mean()) + 1e-6))
            for network in (self.learner.network, self.learner.average):
                network.scales[n].copy_(scale)

    def _batch(self) -> Any:
        return self.shape.draw(self.step, self.seed, self.device)

    # The loop

    def train(self, report: Report | None = None) -> AnyTrainSummary:
        """Train until the end, or until a signal.

        Raises:
            RestyleError: the output cannot be written; the last good state stays.
        """
        c = self.options
        first, began, before = self.step, time.monotonic(), self.seconds
        saved = shown = began
        check = CHECK_EVERY if self.device.type == "cuda" else 1
        share, late = self._share(), False
        with stopping() as stop:
            while share < 1 and not late:
                self._advance(share, self.step - first)
                if (self.step - first) % check:
                    share = max(share, self._steps_share())
                    continue
                if self.device.type == "cuda":
                    torch.cuda.synchronize()
                now = time.monotonic()
                self.seconds = before + now - began
                if report and self.processes.rank == 0:
                    report(self._progress(self._share(), (self.step - first) / (now - began)))
                self.seconds, late = self.processes.agree(self.seconds, stop.is_set())
                share = self._share()
                if now - saved > 60 * c.save_minutes:
                    saved = now
                    self._save()
                if now - shown > 60 * c.preview_minutes:
                    shown = now
                    self._show()
            stopped = stop.is_set()
        self.seconds = before + time.monotonic() - began
        pace = (self.step - first) / max(1e-9, time.monotonic() - began)
        self._save()
        self._show()
        return self._summary(share >= 1, stopped, pace)

    def _steps_share(self) -> float:
        return self.step / self.options.steps if self.options.steps else 0.0

    def _share(self) -> float:
        """The share of the run that is done, by steps or by time, whichever is further."""
        minutes = self.options.minutes
        return max(self._steps_share(), self.seconds / (60 * minutes) if minutes else 0.0)

    def _advance(self, share: float, done: int) -> None:
        """One step, and a look at what the next ones are drawn from.

        Args:
            share: of the run that is done.
            done: steps of this call.
        """
        c = self.options
        rise = min(1.0, (self.step + 1) / max(1, c.warmup))
        fall = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
        keep = 1 - min(c.ema, (1 + self.step) / (10 + self.step))
        self.learner.set_rates(c.learning_rate * rise * fall, keep)
        found = self.learner(self._batch())
        self._running = torch.where(
            found.isfinite(), torch.lerp(self._running, found, max(SMOOTH, 1 / (done + 1))), self._running
        )
        self.paintings.look(self.step + c.pool)
        self.photographs.look(self.step + c.pool)
        self.step += 1

    def _progress(self, share: float, pace: float) -> AnyTrainProgress:
        c = self.options
        left = [60 * c.minutes - self.seconds] if c.minutes else []
        left += [(c.steps - self.step) / pace] if c.steps else []
        return AnyTrainProgress(self.step, share, max(0.0, min(left)), pace, self._losses())

    def _losses(self) -> dict[str, float]:
        return dict(zip((*TERMS, "gradient"), self._running.tolist(), strict=True))

    def _summary(self, finished: bool, stopped: bool, pace: float) -> AnyTrainSummary:
        return AnyTrainSummary(
            output=str(self.run.output),
            preview=str(self._preview_path),
            steps=self.step,
            skipped=int(self.learner.skipped),
            finished=finished,
            interrupted=stopped,
            device=str(self.device),
            precision=self.precision,
            graph=self.recorded,
            processes=self.processes.count,
            paintings=len(self.pictures[0].values),
            photographs=len(self.pictures[1].values),
            held_out=tuple(self.held_out.found),
            seconds=self.seconds,
            steps_per_second=pace,
            losses=self._losses(),
        )

    # Files

    @property
    def _preview_path(self) -> Path:
        return self.run.output.with_name(self.run.output.stem + ".preview.jpg")

    def _save(self) -> None:
        """Write state, network and card."""
        if self.processes.rank:
            return
        tensors, run = self.learner.tensors(), self.run
        AnyState(run, self.step, self.seconds, self.processes.count, self._counts(), tensors).write()
        paintings, contents = self.pictures
        recipe = run.recipe() | {
            "processes": self.processes.count,
            "steps_done": self.step,
            "seconds": round(self.seconds, 1),
            "device": self.device.type,
            "files": list(paintings.files),
            "squares": list(paintings.counts),
            "photographs": len(contents.values),
            "held_out": len(self.held_out.found),
            "losses": {name: round(value, 5) for name, value in self._losses().items()},
        }
        card = AnyPaintingCard(run.architecture, run.kernels, version_of(self.learner.average), recipe)
        save_any_painting(run.output, self.learner.average, card)
        write_card(run.output.with_suffix(".md"), run.output.stem, card)

    def _show(self) -> None:
        if self.processes.rank == 0:
            self.preview.write(self.learner.average, self._preview_path)


def _no_note(text: str) -> None:
    pass


def precision_of(wanted: str, device: torch.device) -> str:
    """The number format of a run: "auto" is bf16 where the device computes it fast."""
    if wanted != "auto":
        return wanted
    fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else device.type == "cpu" and cpu_has_bf16()
    return "bf16" if fast else "fp32"


def version_of(network: HyperNetwork) -> str:
    """A short name of a network's weights, as they are saved."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().half().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
