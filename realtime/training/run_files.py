"""The files that a run writes while it goes on and at its end."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from realtime.errors import RestyleError
from realtime.training.card import write_card
from realtime.training.data import Picture
from realtime.training.learn_files import PREVIEW
from realtime.training.paths import card_path, log_path, preview_path, state_path
from realtime.training.preview import write_preview
from realtime.training.state import State
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import TransNet


class Snapshot(Protocol):
    """A run as it is now.

    Attributes:
        step, first: steps done, and those that were done before this call.
        seconds: wall-clock time of this call.
        smoothed: the network that is saved.
        pictures: the content.
        device: where the network is.
    """

    step: int
    first: int
    smoothed: TransNet

    @property
    def seconds(self) -> float:
        """See the class."""

    @property
    def pictures(self) -> Sequence[Picture]:
        """See the class."""

    @property
    def device(self) -> torch.device:
        """See the class."""

    def card(self) -> StyleCard:
        """What the checkpoint says of the style."""

    def state(self) -> State:
        """From which the run can continue."""

    def show(self, sheet: Tensor) -> None:
        """Log a preview, (3, H, W) in 0..1."""


class RunFiles(Protocol):
    """What is written, and when."""

    def begin(self, now: Snapshot) -> None:
        """Before the first step of a call."""

    def after_step(self, now: Snapshot, losses: Mapping[str, float]) -> None:
        """After each step; `losses` are running means."""

    def end(self, now: Snapshot, losses: Mapping[str, float], finished: bool) -> None:
        """At the end of a call; `finished` says whether the run has ended, too."""


class TrainedFiles:
    """The files of `restyle train`: the checkpoint from the first save on, the state, a log, and a preview.

    Args:
        output: the checkpoint.
        save_every, preview_every: steps.
    """

    def __init__(self, output: Path, save_every: int, preview_every: int) -> None:
        self.output, self.save_every, self.preview_every = output, save_every, preview_every

    def begin(self, now: Snapshot) -> None:
        """Nothing is written before there is something to see."""

    def after_step(self, now: Snapshot, losses: Mapping[str, float]) -> None:
        """Save and show every so many steps."""
        if now.step % self.save_every == 0:
            self._save(now, losses)
        if now.step % self.preview_every == 0:
            self._preview(now)

    def end(self, now: Snapshot, losses: Mapping[str, float], finished: bool) -> None:
        """Save and show what there is."""
        self._save(now, losses)
        self._preview(now)

    def _save(self, now: Snapshot, losses: Mapping[str, float]) -> None:
        save_checkpoint(self.output, now.smoothed, now.card())
        now.state().write()
        entry = {"step": now.step, "seconds": round(now.seconds, 1), "since": now.first}
        entry |= {k: round(v, 5) for k, v in losses.items()}
        path = log_path(self.output)
        try:
            with path.open("a") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise RestyleError(f"{path}: cannot be written: {error}") from error

    def _preview(self, now: Snapshot) -> None:
        target = preview_path(self.output, ".png")
        sheet = write_preview(now.smoothed, now.pictures, target, now.device)
        if sheet is not None:
            now.show(sheet)


class LearnedFiles:
    """The files of `restyle learn`: the checkpoint and its card at the end, until then the state and a preview.

    Args:
        output: the checkpoint.
        every: seconds from one save to the next.
    """

    def __init__(self, output: Path, every: float = 20.0) -> None:
        self.output, self.every = output, every
        self._saved = 0.0

    def begin(self, now: Snapshot) -> None:
        """Save at once, so that a run can be resumed whenever it ends."""
        self._save(now)

    def after_step(self, now: Snapshot, losses: Mapping[str, float]) -> None:
        """Save and show every so many seconds."""
        if time.monotonic() - self._saved >= self.every:
            self._save(now)

    def end(self, now: Snapshot, losses: Mapping[str, float], finished: bool) -> None:
        """Write what was learned, and remove the state; or keep the state."""
        self._save(now)
        if finished:
            card = now.card()
            save_checkpoint(self.output, now.smoothed, card)
            write_card(card, card_path(self.output))
            state_path(self.output).unlink(missing_ok=True)

    def _save(self, now: Snapshot) -> None:
        now.state().write()
        write_preview(now.smoothed, now.pictures, preview_path(self.output, PREVIEW), now.device)
        self._saved = time.monotonic()
