"""Frames as the inputs of a network, and its outputs as frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch

from realtime.engines.base import DEFAULT_PAINT, texture_amount
from realtime.engines.onnx.session import TensorInfo
from realtime.engines.plane_packing import pack, unpack
from realtime.errors import RestyleError
from realtime.frames import ColorTags, Frame, Matrix, Range
from realtime.media.convert.planes import scale
from realtime.options import PaintOptions
from realtime.transnet.color import codes_to_codes
from realtime.transnet.folding import plane_matrix
from realtime.transnet.network import MULTIPLE, Architecture

Layout = Literal["NCHW", "NHWC"]


class IoAdapter(Protocol):
    """Converts between frames and a network's arrays."""

    @property
    def batch(self) -> int | None:
        """The only number of frames that the network takes at once; None where any number is possible."""
        ...

    def inputs(self, frames: Sequence[Frame], paint: PaintOptions = DEFAULT_PAINT) -> dict[str, np.ndarray]:
        """The network's inputs, from frames that can go through it together (`Frame.fits_with`).

        Args:
            frames: the frames.
            paint: how they are painted, as far as a network can be told.
        """
        ...

    def frames(self, outputs: Sequence[np.ndarray], sources: Sequence[Frame]) -> list[Frame]:
        """Frames of a network's outputs, with the sizes, times and colour tags of `sources`."""
        ...


@dataclass(frozen=True, slots=True)
class PackedIo:
    """A TransNet that is folded for the meaning of the frames' codes: packed planes in, packed planes out.

    Attributes:
        architecture: of the network.
    """

    architecture: Architecture
    batch: int | None = None

    def inputs(self, frames: Sequence[Frame], paint: PaintOptions = DEFAULT_PAINT) -> dict[str, np.ndarray]:
        """See `IoAdapter.inputs`."""
        return {"cells": pack(frames, texture_amount(self.architecture, paint)).numpy()}

    def frames(self, outputs: Sequence[np.ndarray], sources: Sequence[Frame]) -> list[Frame]:
        """See `IoAdapter.frames`."""
        return unpack(torch.from_numpy(outputs[0]).contiguous(), sources)


@dataclass(frozen=True, slots=True)
class PlanesIo:
    """An exported network for planes: Y and UV in and out.

    Attributes:
        meaning: matrix and range of its codes.
        size: (width, height) where it takes one size only.
    """

    meaning: tuple[Matrix, Range]
    size: tuple[int, int] | None = None
    batch: int | None = None

    def inputs(self, frames: Sequence[Frame], paint: PaintOptions = DEFAULT_PAINT) -> dict[str, np.ndarray]:
        """See `IoAdapter.inputs`."""
        given = recoded(frames, self.meaning)
        if self.size is not None:
            given = [scale(frame, *self.size) for frame in given]
        return {
            "y": np.stack([frame.y[None] for frame in given]),
            "uv": np.stack([np.stack([frame.u, frame.v]) for frame in given]),
        }

    def frames(self, outputs: Sequence[np.ndarray], sources: Sequence[Frame]) -> list[Frame]:
        """See `IoAdapter.frames`."""
        color = ColorTags(*self.meaning)
        styled = [
            scale(Frame(y[0], uv[0], uv[1], color=color), source.width, source.height)
            for source, y, uv in zip(sources, *outputs, strict=True)
        ]
        wanted = sources[0].color
        back = recoded(styled, (wanted.matrix, wanted.range))
        return [source.with_planes(s.y, s.u, s.v) for source, s in zip(sources, back, strict=True)]


def recoded(frames: Sequence[Frame], meaning: tuple[Matrix, Range]) -> list[Frame]:
    """The same colours in codes of another meaning; frames of one size and meaning."""
    source = (frames[0].color.matrix, frames[0].color.range)
    if source == meaning:
        return list(frames)
    matrix, offset = (part.float() for part in plane_matrix(*codes_to_codes(source, meaning)))
    cells = pack(frames)
    codes = torch.addmm(offset, cells.flatten(0, 2).float(), matrix.T).round_().clamp_(0, 255).to(torch.uint8)
    return unpack(codes.view(cells.shape), frames)


@dataclass(frozen=True, slots=True)
class RgbIo:
    """A network that takes one RGB picture and gives one.

    Attributes:
        input: of the network.
        layout: order of the input's axes.
        output_layout: order of the output's axes.
        white: the value of white, 1 or 255.
        size: (width, height) where it takes one size only.
        multiple: width and height are padded to multiples of this.
    """

    input: TensorInfo
    layout: Layout
    output_layout: Layout
    white: float = 1.0
    size: tuple[int, int] | None = None
    multiple: int = MULTIPLE
    batch: int | None = None

    def inputs(self, frames: Sequence[Frame], paint: PaintOptions = DEFAULT_PAINT) -> dict[str, np.ndarray]:
        """See `IoAdapter.inputs`."""
        from realtime.media.convert.rgb import resize_image, rgb_from_frame

        pictures = [rgb_from_frame(frame) for frame in frames]
        if self.size is not None:
            pictures = [resize_image(picture, self.size) for picture in pictures]
        return {self.input.name: self.tensor(np.stack(pictures))}

    def tensor(self, pictures: np.ndarray) -> np.ndarray:
        """(N, H, W, 3) uint8 as the network takes them."""
        bottom, right = (0, 0) if self.size else (-side % self.multiple for side in pictures.shape[1:3])
        if bottom or right:
            pictures = np.pad(pictures, ((0, 0), (0, bottom), (0, right), (0, 0)), mode="edge")
        if self.layout == "NCHW":
            pictures = pictures.transpose(0, 3, 1, 2)
        if self.input.dtype == np.uint8:
            return np.ascontiguousarray(pictures)
        return np.ascontiguousarray(pictures.astype(np.float32) * (self.white / 255), self.input.dtype)

    def frames(self, outputs: Sequence[np.ndarray], sources: Sequence[Frame]) -> list[Frame]:
        """See `IoAdapter.frames`."""
        from realtime.media.convert.rgb import frame_from_rgb, resize_image

        styled = []
        for source, picture in zip(sources, self._pictures(outputs[0]), strict=True):
            size = (source.width, source.height)
            if self.size is not None:
                picture = resize_image(np.ascontiguousarray(picture), size)
            picture = np.ascontiguousarray(picture[: source.height, : source.width])
            if picture.shape[1::-1] != size:
                found = f"{picture.shape[1]}x{picture.shape[0]}"
                raise RestyleError(f"the network gave {found} pixels for {size[0]}x{size[1]}")
            made = frame_from_rgb(picture, matrix=source.color.matrix, value_range=source.color.range)
            styled.append(source.with_planes(made.y, made.u, made.v))
        return styled

    def _pictures(self, output: np.ndarray) -> np.ndarray:
        """The network's output as (N, H, W, 3) uint8."""
        if self.output_layout == "NCHW":
            output = output.transpose(0, 2, 3, 1)
        if output.dtype == np.uint8:
            return output
        scaled = output.astype(np.float32) * (255 / self.white)
        codes: np.ndarray = np.rint(np.nan_to_num(scaled)).clip(0, 255).astype(np.uint8)
        return codes
