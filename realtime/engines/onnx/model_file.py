"""What an ONNX file takes and gives, and what it says of its style.

A file that `restyle export` wrote says so in its metadata. Any other file must be a plain RGB network, such as those of
fast-neural-style: its inputs and outputs and a trial run tell what it takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from realtime.engines.onnx.io_adapters import IoAdapter, Layout, PlanesIo, RgbIo
from realtime.engines.onnx.session import Session, TensorInfo
from realtime.errors import InputError, RestyleError, StyleError
from realtime.frames import Matrix, Range
from realtime.transnet.checkpoint import StyleCard
from realtime.transnet.network import MULTIPLE, Architecture

FORMAT = "restyle-onnx"
"""Property "format" in the metadata of exported files."""

TRIAL_SIDE = 64
"""Side in pixels of the picture of the trial run."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What is known of an ONNX file.

    Attributes:
        adapter: what it takes and gives.
        card: its style; of other people's files, only the name is known.
        precision: what it computes in, as far as can be seen.
        foreign: it was not written by `restyle export`.
    """

    adapter: IoAdapter
    card: StyleCard
    precision: str
    foreign: bool

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of a foreign file."""
        if not isinstance(self.adapter, RgbIo) or not self.foreign:
            return ()
        text = f"taken for a network on RGB in 0..{self.adapter.white:g}"
        if size := self.adapter.size:
            text += f"; it takes {size[0]}x{size[1]} only: frames are scaled to that and back"
        return (text,)


def inspect_file(session: Session, path: Path) -> ModelFile:
    """Find out what a file is.

    Raises:
        StyleError: it is no style network, or its metadata do not fit its inputs and outputs.
    """
    metadata = session.metadata
    if metadata.get("format") != FORMAT:
        adapter = _tried(_rgb_adapter(session, path, multiple=MULTIPLE), session, path)
        precision = "fp16" if session.inputs[0].dtype == "float16" else "fp32"
        return ModelFile(adapter, StyleCard(path.stem, path=path), precision, foreign=True)
    kind = metadata.get("input", "")
    expected = {"planes": (["y", "uv"], ["styled_y", "styled_uv"]), "rgb": (["rgb"], ["styled_rgb"])}.get(kind)
    found = [tensor.name for tensor in session.inputs], [tensor.name for tensor in session.outputs]
    if expected != found:
        takes, gives = (", ".join(names) or "nothing" for names in found)
        raise StyleError(f"{path}: says it is a restyle network for {kind!r}, but takes {takes} and gives {gives}")
    ours: IoAdapter
    if kind == "planes":
        ours = PlanesIo(_meaning(metadata, path), *_fixed(session.inputs[0], "NCHW"))
    else:
        ours = _rgb_adapter(session, path, multiple=1)  # the network pads by itself
    precision = metadata.get("precision", "")
    return ModelFile(ours, _card(metadata, path), precision if precision in ("fp16", "int8") else "fp32", foreign=False)


def _card(metadata: Mapping[str, str], path: Path) -> StyleCard:
    try:
        return StyleCard(
            name=metadata.get("style") or path.stem,
            title=metadata.get("title", ""),
            artist=metadata.get("artist", ""),
            year=int(metadata["year"]) if metadata.get("year") else None,
            architecture=Architecture.from_dict(cast(dict[str, Any], json.loads(metadata["architecture"]))),
            path=path,
        )
    except (KeyError, ValueError, TypeError) as error:
        raise StyleError(f"{path}: damaged metadata: {error}") from None


def _meaning(metadata: Mapping[str, str], path: Path) -> tuple[Matrix, Range]:
    matrix, range = metadata.get("matrix"), metadata.get("range")
    if matrix not in get_args(Matrix) or range not in get_args(Range):
        raise StyleError(f"{path}: damaged metadata: matrix {matrix!r}, range {range!r}")
    return cast(Matrix, matrix), cast(Range, range)


def _fixed(tensor: TensorInfo, layout: Layout) -> tuple[tuple[int, int] | None, int | None]:
    """The only (width, height) and the only number of pictures that an input takes; None where they are free."""
    batch, height, width = tensor.shape[0], *(tensor.shape[2:] if layout == "NCHW" else tensor.shape[1:3])
    size = (width, height) if isinstance(height, int) and isinstance(width, int) else None
    if size is None and (isinstance(height, int) or isinstance(width, int)):
        raise InputError(f"input {_text(tensor)}: a network with only one side fixed cannot be used")
    return size, batch if isinstance(batch, int) else None


def _text(tensor: TensorInfo) -> str:
    return f"{tensor.name} ({', '.join(str(size or '?') for size in tensor.shape)})"


def _layout(tensor: TensorInfo) -> Layout | None:
    """Where the three channels are; None where there are none."""
    if len(tensor.shape) != 4:
        return None
    if tensor.shape[1] == 3 or (not isinstance(tensor.shape[1], int) and tensor.shape[3] != 3):
        return "NCHW"
    return "NHWC" if tensor.shape[3] == 3 else None


def _rgb_adapter(session: Session, path: Path, *, multiple: int) -> RgbIo:
    """For a network with one picture in and one out; white is taken for 1."""
    given, wanted = session.inputs[0], session.outputs[0]
    layout, output_layout = _layout(given), _layout(wanted)
    dtypes = {np.dtype(t) for t in (np.float32, np.float16, np.float64, np.uint8)}
    problem = ""
    if wanted.shape and output_layout is None:
        problem = "it must give one RGB picture"
    if len(session.inputs) != 1 or layout is None or not {given.dtype, wanted.dtype} <= dtypes:
        problem = "it must take one RGB picture, (N, 3, H, W) or (N, H, W, 3)"
    if problem or layout is None:
        tensors = ", ".join(map(_text, (*session.inputs, *session.outputs)))
        raise StyleError(f"{path}: no style network that restyle can run: {problem} (it has {tensors})")
    size, batch = _fixed(given, layout)
    return RgbIo(given, layout, output_layout or layout, size=size, multiple=multiple, batch=batch)


def _tried(adapter: RgbIo, session: Session, path: Path) -> RgbIo:
    """The adapter with what a trial run shows.

    A picture in 0..1 goes in. For a network on 0..255 that is almost black, and its output has numbers far above 1; the
    output of a network on 0..1 has not.
    """
    width, height = adapter.size or (TRIAL_SIDE, TRIAL_SIDE)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(rows / 5 + n) * np.cos(columns / (7 + n)) for n in range(3)], -1)
    picture = np.rint(127.5 + 127.5 * waves).astype(np.uint8)[None].repeat(adapter.batch or 1, 0)
    try:
        output = session.run({adapter.input.name: adapter.tensor(picture)})[0]
    except RestyleError as error:
        raise StyleError(f"{path}: a trial run failed: {error}") from None
    shape = output.shape if output.ndim == 4 else (0, 0, 0, 0)
    if 3 not in (shape[1], shape[3]):
        raise StyleError(f"{path}: no style network: it gives {output.shape} {output.dtype} for a picture")
    layout: Layout = "NCHW" if shape[1] == 3 else "NHWC"
    sides = shape[2:] if layout == "NCHW" else shape[1:3]
    # a few pixels more are usual where a network halves and doubles
    if not all(have <= got < have + 16 for have, got in zip((height, width), sides, strict=True)):
        raise StyleError(f"{path}: no style network: it gives {sides[1]}x{sides[0]} for {width}x{height} pixels")
    values = output.astype(np.float32)
    if not np.isfinite(values).all():
        raise StyleError(f"{path}: gives numbers that are not finite")
    in_codes = np.uint8 in (adapter.input.dtype, output.dtype) or float(np.abs(values).max()) > 4
    return replace(adapter, output_layout=layout, white=255.0 if in_codes else 1.0)
