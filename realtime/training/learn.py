"""`restyle learn`: a checkpoint of a painting's own. A network is emitted for the painting, and then polished.

The network that takes any painting has to serve all of them. A few minutes of training for this one alone bring the
emitted weights closer to it. The polish is a run of the usual trainer (`realtime.training.trainer`), whose length is a
time, with the losses that `restyle train --any` has.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from realtime.engines.torch.device import choose_device, cpu_has_bf16
from realtime.errors import InputError
from realtime.option_fields import takes
from realtime.options import LearnOptions, TrainOptions
from realtime.results import LearnSummary, TrainProgress
from realtime.style.cache import file_digest
from realtime.training.card import UNKNOWN, write_card
from realtime.training.content_pictures import content_kind
from realtime.training.emitted import emitted_network
from realtime.training.learn_files import check_files, polishes
from realtime.training.paths import card_path, state_path
from realtime.training.run import NETWORK_OPTIONS, TrainingRun
from realtime.training.run_files import LearnedFiles
from realtime.training.state import State
from realtime.training.trainer import run_trainer
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.gallery import any_painting_files
from realtime.transnet.hypernetwork import PICTURE_SIDE, content_weight
from realtime.transnet.network import TransNet

POLISH = TrainOptions(
    learning_rate=1e-3,
    warmup=10,
    clip=1.0,
    ema=0.99,
    freeze_norm=0.0,
    hold_content=True,
    style_weight=1.0,
    layer_weights=(1.0, 1.0, 1.0, 1.0),
    swd=0.3,
    tile=0.2,
    palette=0.2,
    gamut=10.0,
    grid=0.2,
    temporal=40.0,
    noise=0.015,
    margin=16,
    smallest_crop=0.4,
    variants=3,
    batch=2,
    cache_gigabytes=1.0,
)
"""The polish, but for what the user chooses. The weights of the losses are those of `restyle train --any`, but for the
grid: with one painting alone, two minutes are enough to bring patterns of the network's cells back."""

GPU_BATCH = 8
"""Pictures at once on a GPU."""

Report = Callable[[TrainProgress], None]


@takes(LearnOptions)
def learn(
    painting: str | Path,
    output: str | Path,
    options: LearnOptions | None = None,
    *,
    report: Report | None = None,
    **keywords: Any,
) -> LearnSummary:
    """Makes a checkpoint of a painting's own, and its card beside it.

    Args:
        painting: the picture.
        output: the .safetensors file to write. It appears when it is complete, and not before.
        report: called after each step of the polish.

    Raises:
        InputError: a file or an option is wrong; nothing was written.
        RestyleError: a file cannot be written; the state of the polish stays.
    """
    began = time.monotonic()
    wanted = (options or LearnOptions()).replace(**keywords)
    source, target = Path(painting), Path(output)
    check_files(source, target, wanted)
    if wanted.resume:
        state = State.read(target)
        run = _resumed(state, source, wanted)
        return _polish(run, began - state.seconds, report, state=state)
    device = choose_device(wanted.device)
    network, made = emitted_network(source, wanted)
    if not polishes(wanted):
        return _as_it_is(network, made, source, target, wanted, began)
    run = polish_run(source, target, wanted, network, made, device)
    return _polish(run, began, report, network=network)


def polish_run(
    painting: Path,
    output: Path,
    options: LearnOptions,
    network: TransNet,
    made: dict[str, Any],
    device: torch.device,
) -> TrainingRun:
    """The polish as a run of the trainer.

    Args:
        painting, output: the files.
        options: as the user gave them.
        network, made: see `emitted_network`.
        device: where the polish is to run; the loss network takes bf16 where that is quick, the painting network's own
            weights stay in fp32 on a CPU.
    """
    content = tuple(path for path in (options.on, options.content) if path is not None)
    architecture = {name: getattr(network.architecture, name) for name in NETWORK_OPTIONS}
    on_gpu = device.type == "cuda"
    quick = device.type == "cpu" and cpu_has_bf16()
    chosen = POLISH.replace(
        **architecture,
        features=options.features or any_painting_files()[1],
        content_weight=float(content_weight(torch.tensor(made["paint"]))),
        style_size=max(64, round(PICTURE_SIDE * made["stroke"])),
        steps=options.steps or POLISH.steps,
        length_minutes=options.minutes if options.steps is None else None,
        size=options.size,
        batch=options.batch or (GPU_BATCH if on_gpu else POLISH.batch),
        precision="auto" if on_gpu else "fp32",
        loss_precision="auto" if on_gpu else "bf16" if quick else "fp32",
        **{name: getattr(options, name) for name in ("seed", "device", "threads", *_TEXTS)},
    )
    learned = made | {"content_kind": content_kind(content)}
    return TrainingRun(painting, content, output, chosen, learned=learned)


_TEXTS = ("title", "artist", "year", "license")
"""Options that the card shows."""


def _polish(run: TrainingRun, began: float, report: Report | None, **start: Any) -> LearnSummary:
    state: State | None = start.get("state")
    spent = time.monotonic() - began - (state.seconds if state is not None else 0.0)
    summary = run_trainer(run, files=LearnedFiles(run.output), spent=spent, report=report, **start)
    return LearnSummary(
        painting=str(run.style_image),
        output=str(run.output),
        seconds=time.monotonic() - began,
        steps=summary.steps,
        finished=summary.finished,
        interrupted=summary.interrupted,
        device=summary.device,
    )


def _as_it_is(
    network: TransNet, made: dict[str, Any], painting: Path, output: Path, options: LearnOptions, began: float
) -> LearnSummary:
    """Write the network as it was emitted."""
    recipe = {"style_image": painting.name, "output": output.name, "architecture": network.architecture.to_dict()}
    recipe |= made | {"steps_done": 0, "pictures_seen": 0, "seconds": round(time.monotonic() - began, 1)}
    recipe["licence"] = options.license or UNKNOWN
    card = StyleCard(output.stem, options.title, options.artist, options.year, network.architecture, recipe)
    save_checkpoint(output, network, card)
    write_card(card, card_path(output))
    return LearnSummary(
        painting=str(painting),
        output=str(output),
        seconds=time.monotonic() - began,
        steps=0,
        finished=True,
        interrupted=False,
        device="cpu",
    )


def _resumed(state: State, painting: Path, options: LearnOptions) -> TrainingRun:
    """The stopped run, with what may change: its time, its device, and what the card says.

    Raises:
        InputError: something else was given that differs from the run's.
    """
    run, path = state.run, state_path(state.run.output)
    if not run.learned:
        raise InputError(f"{path}: the state of restyle train; continue it with restyle train --resume {run.output}")
    content = tuple(path.absolute() for path in (options.on, options.content) if path is not None)
    stored = run.options
    compared = {
        "PAINTING": (file_digest(painting), run.learned["pictures"][0]["sha256"]),
        "--paint": (options.paint, run.learned["paint"]),
        "--stroke": (options.stroke, run.learned["stroke"]),
        "--on or --content": (content or None, run.content),
        "--features": (options.features and options.features.absolute(), stored.features),
        "--steps": (options.steps, None if stored.length_minutes else stored.steps),
        "--seed": (options.seed or None, stored.seed),
    }
    different = [name for name, (given, kept) in compared.items() if given is not None and given != kept]
    if different:
        raise InputError(f"{path}: the polish to resume has other values of {', '.join(different)}")
    changes: dict[str, Any] = {name: getattr(options, name) for name in _TEXTS if getattr(options, name)}
    changes |= {name: getattr(options, name) for name in ("device", "threads")}
    if stored.length_minutes is not None and options.minutes != LearnOptions().minutes:
        changes["length_minutes"] = options.minutes
    return replace(run, style_image=painting, options=stored.replace(**changes))
