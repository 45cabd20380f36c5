"""The check of an exported network: ONNX Runtime's pictures beside PyTorch's in fp32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime.engines.onnx.generated_pictures import generated_pictures
from realtime.engines.onnx.graph import RGB_CODES, GraphIo
from realtime.engines.onnx.ort_session import OrtSession
from realtime.errors import RestyleError
from realtime.results import Summary
from realtime.transnet.color import planes_from_rgb, rgb_to_codes
from realtime.transnet.folding import TRAINED_IN, fold
from realtime.transnet.network import CENTER, MULTIPLE, SCALE, TransNet, pack_planes, unpack_planes
from realtime.transnet.texture import texture_cells

Sizes = Sequence[tuple[int, int, int]]
"""(width, height, pictures at once) of what is run."""

CHECKS: Sizes = ((64, 64, 4), (427, 241, 1), (70, 45, 2))
"""Sizes that are multiples of the network's, and others."""

TOLERANCE = 1e-3
"""Of full scale: how far fp32 may be from PyTorch."""

FAR_SHARE: dict[GraphIo, float] = {"planes": 1e-3, "rgb": 0.0, "rgb-uint8": 1e-2}
"""Share of the values that may be further away, because a number between two codes was rounded the other way.

Planes are rounded when they go out. "rgb-uint8" also makes its codes inside: one that is rounded the other way turns
the phase of a contour, which is seen as far as the network reaches (0.6 % of metzinger's values at 1280x720, 0.008
codes on average). "rgb" is checked with pictures of whole codes, which leave no doubt.
"""

MIN_PSNR = {"fp16": 45.0, "int8": 30.0}
"""PSNR in dB that the other precisions must have against PyTorch in fp32."""


@dataclass(frozen=True)
class Check(Summary):
    """How close ONNX Runtime is to PyTorch in fp32.

    Attributes:
        width, height, pictures: what was run.
        max_difference, mean_difference: over all values, in codes of 255.
        far: share of the values that differ by more than `TOLERANCE`.
        psnr: peak signal-to-noise ratio in dB, 200 at most.
    """

    width: int
    height: int
    pictures: int
    max_difference: float
    mean_difference: float
    far: float
    psnr: float

    def __str__(self) -> str:
        return (
            f"{self.width}x{self.height} x {self.pictures}: at most {self.max_difference:.3g} of 255,"
            f" {self.mean_difference:.2g} on average, PSNR {self.psnr:.1f} dB"
        )


class Reference(nn.Module):
    """What the graph must compute, in PyTorch in fp32.

    Args:
        network: in its training form.
        io: inputs and outputs of the graph.
    """

    def __init__(self, network: TransNet, io: GraphIo) -> None:
        super().__init__()
        self.network, self.io = fold(network, *(TRAINED_IN if io == "planes" else RGB_CODES)), io

    def planes(self, y: Tensor, uv: Tensor) -> tuple[Tensor, Tensor]:
        """Float codes (N, 1, H, W) and (N, 2, ceil(H/2), ceil(W/2)) -> the same, not rounded, not clamped."""
        (h, w), (tall, broad) = y.shape[2:], uv.shape[2:]
        full_h, full_w = (-(-s // MULTIPLE) * MULTIPLE for s in (h, w))
        y = F.pad(y, (0, full_w - w, 0, full_h - h), mode="replicate")
        uv = F.pad(uv, (0, full_w // 2 - broad, 0, full_h // 2 - tall), mode="replicate")
        cells = pack_planes(y, uv) * SCALE
        if self.network.architecture.texture:
            cells = torch.cat([cells, self._texture(*cells.shape[2:]).expand(len(cells), -1, -1, -1)], 1)
        y, uv = unpack_planes(self.network(cells) / SCALE)
        return y[..., :h, :w], uv[..., :tall, :broad]

    @staticmethod
    def _texture(h: int, w: int) -> Tensor:
        """(1, 4, h, w) codes - 128: the graph holds the field fixed at its origin."""
        return torch.from_numpy(texture_cells((0, 0), h, w)).permute(2, 0, 1)[None] - CENTER

    @torch.inference_mode()
    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The inputs of the graph -> its outputs."""
        if self.io == "planes":
            styled = self.planes(*(t.float() for t in tensors))
            return tuple(t.round().clamp(0, 255).to(torch.uint8) for t in styled)
        (rgb,) = tensors
        uint8 = self.io == "rgb-uint8"
        full, (h, w) = 255 if uint8 else 1, rgb.shape[2:]
        m, t = rgb_to_codes(*RGB_CODES)
        rgb = F.pad(rgb.float(), (0, w % 2, 0, h % 2), mode="replicate")
        # in the graph's own order, so that a number between two codes is rounded to the same one
        codes = _affine(rgb, m[:1] / full, t[:1]), _affine(F.avg_pool2d(rgb, 2), m[1:] / full, t[1:])
        y, uv = (p.round().clamp(0, 255) for p in codes)
        y, uv = ((p.round() if uint8 else p).clamp(0, 255) for p in self.planes(y, uv))
        wide = F.interpolate(uv, scale_factor=2, mode="bilinear", align_corners=False)
        inverse = torch.linalg.inv(m)
        out = _affine(torch.cat([y, wide], 1), inverse * full, -inverse @ t * full)[..., :h, :w].clamp(0, full)
        return (out.round().to(torch.uint8) if uint8 else out,)


def _affine(x: Tensor, m: Tensor, t: Tensor) -> Tensor:
    """(n, 3) and (n,) applied to the channels of each pixel, in fp32."""
    return torch.einsum("ij,njhw->nihw", m.float(), x) + t.float()[:, None, None]


def compare(path: Path, reference: Reference, sizes: Sizes) -> list[Check]:
    """Run a file in ONNX Runtime on the CPU, and compare it with PyTorch.

    Args:
        path: the .onnx file.
        reference: with the same inputs and outputs.
        sizes: what to run.

    Raises:
        RestyleError: ONNX Runtime cannot run it, or gives other shapes or types.
    """
    session = OrtSession(path, threads=torch.get_num_threads(), name="the exported network")
    return [_compared(session, reference, width, height, count) for width, height, count in sizes]


def _compared(session: OrtSession, reference: Reference, width: int, height: int, count: int) -> Check:
    given = check_pictures(reference.io, width, height, count)
    outputs = session.run({name: tensor.numpy() for name, tensor in given.items()})
    full = 1.0 if reference.io == "rgb" else 255.0
    differences = []
    for found, expected in zip(outputs, reference(*given.values()), strict=True):
        if found.shape != tuple(expected.shape) or found.dtype != expected.numpy().dtype:
            raise RestyleError(
                f"ONNX Runtime gives {found.shape} {found.dtype}, PyTorch {tuple(expected.shape)} {expected.dtype}"
            )
        differences.append(np.abs(found.astype(np.float64) - expected.double().numpy()).ravel() / full)
    distance = np.nan_to_num(np.concatenate(differences), nan=np.inf)
    square = float(np.square(distance).mean())
    return Check(
        width,
        height,
        count,
        max_difference=float(distance.max()) * 255,
        mean_difference=float(distance.mean()) * 255,
        far=float((distance > TOLERANCE).mean()),
        psnr=float(min(200.0, -10 * np.log10(max(square, 1e-30)))),
    )


def check_pictures(io: GraphIo, width: int, height: int, count: int) -> dict[str, Tensor]:
    """Inputs of the graph for a check: pictures other than those of the calibration.

    Those for "rgb" have whole codes, which are the same however the graph rounds its sums.
    """
    rgb = torch.cat(generated_pictures(count, height, width, seed=2, small=False))
    if io == "rgb":
        return {"rgb": whole_codes(rgb)}
    if io == "rgb-uint8":
        return {"rgb": (rgb * 255).round().to(torch.uint8)}
    rgb = F.pad(rgb, (0, width % 2, 0, height % 2), mode="replicate")
    y, uv = (plane.round().clamp(0, 255).to(torch.uint8) for plane in planes_from_rgb(rgb, *TRAINED_IN))
    return {"y": y[..., :height, :width].contiguous(), "uv": uv}


def whole_codes(rgb: Tensor) -> Tensor:
    """Pictures with half the contrast and a quarter of the colour, whose 4:2:0 codes (`RGB_CODES`) are whole numbers.

    Args:
        rgb: (N, 3, H, W) in 0..1.

    Returns:
        the same shape, fp32; in 0..1 without clamping, because so little colour is left.
    """
    height, width = rgb.shape[2:]
    m, t = rgb_to_codes(*RGB_CODES)
    even = F.pad(rgb, (0, width % 2, 0, height % 2), mode="replicate")
    y, uv = planes_from_rgb(even, *RGB_CODES)
    y, uv = (y * 0.5 + CENTER / 2).round(), ((uv - CENTER) / 4).round() + CENTER
    codes = torch.cat([y, uv.repeat_interleave(2, 2).repeat_interleave(2, 3)], 1).double()
    inverse = torch.linalg.inv(m)
    made = torch.einsum("ij,njhw->nihw", inverse, codes - t[:, None, None])
    return made[..., :height, :width].float().contiguous()


def verdict(checks: Sequence[Check], precision: str, io: GraphIo) -> str:
    """What is wrong with a file; empty where it is close enough to PyTorch."""
    for check in checks:
        if precision == "fp32":
            if not (check.far <= FAR_SHARE[io] and check.mean_difference <= TOLERANCE * 255):
                return f"{check}; {check.far:.2%} of the values differ by more than {TOLERANCE:g} of full scale"
        elif not check.psnr >= MIN_PSNR[precision]:
            return f"{check}; {precision} needs {MIN_PSNR[precision]:g} dB"
    return ""
