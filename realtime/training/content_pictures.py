"""The pictures that a run learns on: of folders, of clips, or made here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from realtime.errors import InputError
from realtime.media.convert.rgb import rgb_from_frame
from realtime.media.files.inputs import VIDEO_SUFFIXES
from realtime.media.files.probe import probe
from realtime.media.files.reader import VideoReader
from realtime.media.files.stills import IMAGE_SUFFIXES
from realtime.media.synthetic.dead_leaves import dead_leaves
from realtime.media.synthetic.landscape import Landscape
from realtime.training.data import Picture, find_files, find_pictures, load_picture

FRAMES = 32
"""Frames that are taken of a clip."""

SHORT_SIDE = 480
"""Of frames that are kept in memory, in pixels, at most."""

LEAVES, VIEWS = 56, 8
"""Generated pictures: of lying things, and of a landscape."""


def content_pictures(content: Sequence[Path], seed: int = 0) -> list[Picture]:
    """The pictures of some sources, in their order.

    Args:
        content: folders and files. Of a folder all pictures are taken, with its subfolders; where it has none, frames
            of all clips. A file is a picture or a clip. None at all: generated pictures.
        seed: of generated pictures.

    Raises:
        InputError: a source is missing, or holds no picture.
    """
    if not content:
        return generated(seed)
    found: list[Picture] = []
    for source in content:
        found += _of_folder(source) if source.is_dir() or not source.exists() else _of_file(source)
    return found


def content_kind(content: Sequence[Path]) -> str:
    """What a card says of the content: "generated", "pictures", "clip", or several of them."""
    if not content:
        return "generated"
    kinds = {"pictures" if source.is_dir() or source.suffix.lower() in IMAGE_SUFFIXES else "clip" for source in content}
    return " and ".join(sorted(kinds))


def generated(seed: int = 0, *, leaves: int = LEAVES, views: int = VIEWS) -> list[Picture]:
    """Pictures made from random numbers, (3, H, W) uint8, the same for the same arguments.

    Args:
        seed: of the random numbers.
        leaves, views: how many of each kind.
    """
    pictures: list[Picture] = [_tensor(rgb) for rgb in dead_leaves(leaves, seed=seed)]
    landscape = Landscape(640, 360)
    for n in range(views):
        view = landscape.paint(n / max(1, views - 1), float(n))
        pictures.append(torch.from_numpy(view.clip(0, 255).astype(np.uint8)))
    return pictures


def _tensor(rgb: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))


def _of_folder(folder: Path) -> list[Picture]:
    try:
        return list(find_pictures(folder))
    except InputError as none:
        if not folder.is_dir():
            raise
        try:
            clips = find_files(folder, VIDEO_SUFFIXES, "clips")
        except InputError:
            raise InputError(f"{none}, and no clips") from None
    count = max(2, FRAMES // len(clips))
    return [frame for clip in clips for frame in clip_frames(clip, count)]


def _of_file(path: Path) -> list[Picture]:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        load_picture(path)  # says what is wrong with it
        return [path]
    return list(clip_frames(path))


def clip_frames(path: Path, count: int = FRAMES) -> list[Tensor]:
    """Frames of a clip, evenly spaced.

    Args:
        path: the clip.
        count: how many, at most.

    Returns:
        (3, H, W) uint8 each, of a short side of `SHORT_SIDE` at most.

    Raises:
        MediaError: the clip cannot be read.
    """
    info = probe(path)
    size = SHORT_SIDE if min(info.width, info.height) > SHORT_SIDE else None
    with VideoReader(path, decoder="software", size=size) as reader:
        total = reader.total_frames
        if total is None or info.duration is None or total <= 20 * count:  # short: quicker read than sought in
            step = max(1, (total or 10 * count) // count)
            return [_tensor(rgb_from_frame(frame)) for frame in islice(iter(reader), 0, count * step, step)]
    found = []
    for n in range(count):
        with VideoReader(path, start=info.duration * n / count, decoder="software", size=size) as reader:
            found += [_tensor(rgb_from_frame(frame)) for frame in islice(iter(reader), 1)]
    return found
