"""Forms: what frames have to become for a network, and what its outputs are.

A network of our own takes frames as they are. An ONNX file may be one that `restyle export` wrote, or anybody's plain
RGB network (such as those of fast-neural-style): then its inputs, a trial run and its metadata tell what it takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast, get_args

import numpy as np
import torch

from realtime.engines.onnx.sessions import Port, Session
from realtime.engines.plane_packing import pack, unpack
from realtime.errors import InputError, RestyleError, StyleError
from realtime.frames import ColorTags, Frame, Matrix, Range
from realtime.media.convert.planes import scale
from realtime.transnet.checkpoint import StyleCard
from realtime.transnet.color import codes_to_codes
from realtime.transnet.folding import plane_matrix
from realtime.transnet.network import MULTIPLE, Architecture

FORMAT = "restyle-onnx"
"""What the metadata of our files call themselves."""

TRIAL = 64
"""Side in pixels of the picture that an unknown network is tried with."""

Layout = Literal["NCHW", "NHWC"]


class Form(Protocol):
    """What frames become."""

    @property
    def most(self) -> int | None:
        """Frames that go in at once, no more and no less; None for any number."""
        ...

    def feeds(self, frames: Sequence[Frame]) -> dict[str, np.ndarray]:
        """Frames that fit with each other (`Frame.fits_with`) as a network's inputs."""
        ...

    def frames(self, outputs: Sequence[np.ndarray], frames: Sequence[Frame]) -> list[Frame]:
        """A network's outputs as frames of the sizes, times and colour tags of those that went in."""
        ...


@dataclass(frozen=True, slots=True)
class CellsForm:
    """A network of our own, folded for what the frames' numbers mean: cells in, cells out."""

    most: int | None = None

    def feeds(self, frames: Sequence[Frame]) -> dict[str, np.ndarray]:
        """See `Form.feeds`."""
        return {"cells": pack(frames).numpy()}

    def frames(self, outputs: Sequence[np.ndarray], frames: Sequence[Frame]) -> list[Frame]:
        """See `Form.frames`."""
        codes = torch.from_numpy(outputs[0]).contiguous()
        return unpack(codes, frames)


@dataclass(frozen=True, slots=True)
class PlanesForm:
    """Our files of planes: Y and UV in, whose numbers mean what the file says.

    Attributes:
        meaning: matrix and range.
        size: (width, height) where the file takes but one.
    """

    meaning: tuple[Matrix, Range]
    size: tuple[int, int] | None = None
    most: int | None = None

    def feeds(self, frames: Sequence[Frame]) -> dict[str, np.ndarray]:
        """See `Form.feeds`."""
        given = recoded(frames, self.meaning)
        if self.size is not None:
            given = [scale(frame, *self.size) for frame in given]
        return {
            "y": np.stack([frame.y[None] for frame in given]),
            "uv": np.stack([np.stack([frame.u, frame.v]) for frame in given]),
        }

    def frames(self, outputs: Sequence[np.ndarray], frames: Sequence[Frame]) -> list[Frame]:
        """See `Form.frames`."""
        styled = []
        for frame, y, uv in zip(frames, *outputs, strict=True):
            color = ColorTags(*self.meaning)
            styled.append(scale(Frame(y[0], uv[0], uv[1], color=color), frame.width, frame.height))
        source = frames[0].color
        back = recoded(styled, (source.matrix, source.range))
        return [frame.with_planes(s.y, s.u, s.v) for frame, s in zip(frames, back, strict=True)]


@dataclass(frozen=True, slots=True)
class RgbForm:
    """A network that takes one RGB picture.

    Attributes:
        given, wanted: its input and its output.
        layout: the order of channels and pixels of its input; of its output, `wanted_layout`.
        full: the number that white is: 1 or 255.
        size: (width, height) where it takes but one.
        multiple: width and height are padded to multiples of this many pixels; 1 where the network does that itself.
    """

    given: Port
    wanted: Port
    layout: Layout
    wanted_layout: Layout
    full: float
    size: tuple[int, int] | None = None
    multiple: int = MULTIPLE
    most: int | None = None

    def feeds(self, frames: Sequence[Frame]) -> dict[str, np.ndarray]:
        """See `Form.feeds`."""
        from realtime.media.convert.rgb import resize_image, rgb_from_frame

        pictures = [rgb_from_frame(frame) for frame in frames]
        if self.size is not None:
            pictures = [resize_image(picture, self.size) for picture in pictures]
        return {self.given.name: self.tensor(np.stack(pictures))}

    def tensor(self, pictures: np.ndarray) -> np.ndarray:
        """(N, H, W, 3) uint8 as the network takes them."""
        bottom, right = (0, 0) if self.size else (-side % self.multiple for side in pictures.shape[1:3])
        if bottom or right:
            pictures = np.pad(pictures, ((0, 0), (0, bottom), (0, right), (0, 0)), mode="edge")
        if self.layout == "NCHW":
            pictures = pictures.transpose(0, 3, 1, 2)
        if self.given.type == np.uint8:
            return np.ascontiguousarray(pictures)
        return np.ascontiguousarray(pictures.astype(np.float32) * (self.full / 255), self.given.type)

    def pictures(self, output: np.ndarray) -> np.ndarray:
        """The network's output as (N, H, W, 3) uint8."""
        if self.wanted_layout == "NCHW":
            output = output.transpose(0, 2, 3, 1)
        if output.dtype == np.uint8:
            return output
        scaled = output.astype(np.float32) * (255 / self.full)
        codes: np.ndarray = np.rint(np.nan_to_num(scaled)).clip(0, 255).astype(np.uint8)
        return codes

    def frames(self, outputs: Sequence[np.ndarray], frames: Sequence[Frame]) -> list[Frame]:
        """See `Form.frames`."""
        from realtime.media.convert.rgb import frame_from_rgb, resize_image

        styled = []
        for frame, picture in zip(frames, self.pictures(outputs[0]), strict=True):
            if self.size is not None:
                picture = resize_image(np.ascontiguousarray(picture), (frame.width, frame.height))
            picture = np.ascontiguousarray(picture[: frame.height, : frame.width])
            if picture.shape[:2] != (frame.height, frame.width):
                raise RestyleError(
                    f"the network gave {picture.shape[1]}x{picture.shape[0]} pixels for {frame.width}x{frame.height}"
                )
            made = frame_from_rgb(picture, matrix=frame.color.matrix, value_range=frame.color.range)
            styled.append(frame.with_planes(made.y, made.u, made.v))
        return styled


def recoded(frames: Sequence[Frame], meaning: tuple[Matrix, Range]) -> list[Frame]:
    """Frames of one size and meaning with planes that mean something else: the same colours in other numbers."""
    source = (frames[0].color.matrix, frames[0].color.range)
    if source == meaning:
        return list(frames)
    matrix, offset = (part.float() for part in plane_matrix(*codes_to_codes(source, meaning)))
    codes = torch.addmm(offset, pack(frames).flatten(0, 2).float(), matrix.T).round_().clamp_(0, 255).to(torch.uint8)
    height, width = frames[0].height, frames[0].width
    h, w = (-(-side // MULTIPLE) * MULTIPLE // 4 for side in (height, width))
    return unpack(codes.view(len(frames), h, w, -1), frames)


# Reading a file


def describe(session: Session, path: Path) -> Form:
    """What a file takes and gives.

    Raises:
        StyleError: it is no style network, or its inputs are not those that its metadata speak of.
    """
    said = session.metadata
    if said.get("format") == FORMAT:
        kind = said.get("input", "")
        names = {"planes": (("y", "uv"), ("styled_y", "styled_uv")), "rgb": (("rgb",), ("styled_rgb",))}.get(kind)
        found = tuple(p.name for p in session.inputs), tuple(p.name for p in session.outputs)
        if names != found:
            takes, gives = (", ".join(ports) or "nothing" for ports in found)
            raise StyleError(f"{path}: says it is a restyle network for {kind!r}, but takes {takes} and gives {gives}")
        if kind == "planes":
            return PlanesForm(_meaning(said, path), *_fixed(session.inputs[0], "NCHW"))
    form = _rgb_form(session, path)
    return form if said.get("format") == FORMAT else _tried(form, session, path)


def _meaning(said: Mapping[str, str], path: Path) -> tuple[Matrix, Range]:
    matrix, range = said.get("matrix"), said.get("range")
    if matrix not in get_args(Matrix) or range not in get_args(Range):
        raise StyleError(f"{path}: damaged metadata: matrix {matrix!r}, range {range!r}")
    return cast(Matrix, matrix), cast(Range, range)


def _fixed(port: Port, layout: Layout) -> tuple[tuple[int, int] | None, int | None]:
    """The (width, height) and the number of pictures that an input is bound to; None where they are free."""
    batch, height, width = port.shape[0], *(port.shape[2:] if layout == "NCHW" else port.shape[1:3])
    size = (width, height) if isinstance(height, int) and isinstance(width, int) else None
    if size is None and (isinstance(height, int) or isinstance(width, int)):
        raise InputError(f"input {port.name} {_said(port)}: a network with only one side fixed cannot be used")
    return size, batch if isinstance(batch, int) else None


def _said(port: Port) -> str:
    return f"({', '.join(str(size or '?') for size in port.shape)})"


def _layout(port: Port) -> Layout | None:
    """Where the three channels are; None where there are none."""
    if len(port.shape) != 4:
        return None
    if port.shape[1] == 3 or (not isinstance(port.shape[1], int) and port.shape[3] != 3):
        return "NCHW"
    return "NHWC" if port.shape[3] == 3 else None


def _rgb_form(session: Session, path: Path) -> RgbForm:
    """A network with one picture in and one out, 0..1."""

    def refuse(what: str) -> StyleError:
        ports = ", ".join(f"{port.name} {_said(port)}" for port in (*session.inputs, *session.outputs))
        return StyleError(f"{path}: no style network that restyle can run: {what} (it has {ports})")

    if len(session.inputs) != 1:
        raise refuse("it must take one RGB picture, (N, 3, H, W) or (N, H, W, 3)")
    given, wanted = session.inputs[0], session.outputs[0]
    layout, wanted_layout = _layout(given), _layout(wanted)
    types = {np.dtype(t) for t in (np.float32, np.float16, np.float64, np.uint8)}
    if layout is None or not {given.type, wanted.type} <= types:
        raise refuse("it must take one RGB picture, (N, 3, H, W) or (N, H, W, 3)")
    if wanted.shape and wanted_layout is None:
        raise refuse("it must give one RGB picture")
    own = session.metadata.get("format") == FORMAT
    size, most = _fixed(given, layout)
    return RgbForm(given, wanted, layout, wanted_layout or layout, 1.0, size, 1 if own else MULTIPLE, most=most)


def _tried(form: RgbForm, session: Session, path: Path) -> RgbForm:
    """The form of a network that tells nothing of itself: found out by a trial run.

    A picture in 0..1 goes in. What a network for 0..255 makes of it (a picture that is all but black) has numbers far
    above 1; what a network for 0..1 makes of it has not.
    """
    width, height = form.size or (TRIAL, TRIAL)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(rows / 5 + n) * np.cos(columns / (7 + n)) for n in range(3)], -1)
    picture = np.rint(127.5 + 127.5 * waves).astype(np.uint8)[None].repeat(form.most or 1, 0)
    try:
        output = session.run({form.given.name: form.tensor(picture)})[0]
    except RestyleError as error:
        raise StyleError(f"{path}: a trial run failed: {error}") from None
    shape = output.shape if output.ndim == 4 else (0, 0, 0, 0)
    if 3 not in (shape[1], shape[3]):
        raise StyleError(f"{path}: no style network: it gives {output.shape} {output.dtype} for a picture")
    wanted_layout: Layout = "NCHW" if shape[1] == 3 else "NHWC"
    sides = shape[2:] if wanted_layout == "NCHW" else shape[1:3]
    # a few pixels more are usual where a network halves and doubles
    if not all(have <= got < have + 16 for have, got in zip((height, width), sides, strict=True)):
        raise StyleError(f"{path}: no style network: it gives {sides[1]}x{sides[0]} for {width}x{height} pixels")
    if not np.isfinite(output.astype(np.float32)).all():
        raise StyleError(f"{path}: gives numbers that are not finite")
    codes = (
        form.given.type == np.uint8 or output.dtype == np.uint8 or float(np.abs(output.astype(np.float32)).max()) > 4
    )
    return RgbForm(
        form.given,
        form.wanted,
        form.layout,
        wanted_layout,
        255.0 if codes else 1.0,
        form.size,
        form.multiple,
        form.most,
    )


def card_of(session: Session, path: Path) -> StyleCard:
    """What an ONNX file says of its style; of other people's files, their name.

    Raises:
        StyleError: damaged metadata.
    """
    said = session.metadata
    if said.get("format") != FORMAT:
        return StyleCard(path.stem, path=path)
    try:
        return StyleCard(
            name=said.get("style") or path.stem,
            title=said.get("title", ""),
            artist=said.get("artist", ""),
            year=int(said["year"]) if said.get("year") else None,
            architecture=Architecture.from_dict(cast(dict[str, Any], json.loads(said["architecture"]))),
            path=path,
        )
    except (KeyError, ValueError, TypeError) as error:
        raise StyleError(f"{path}: damaged metadata: {error}") from None
