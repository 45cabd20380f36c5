"""TransNet -> ONNX files: written, checked by onnx, and run beside PyTorch before they get their names.

The graph itself is `realtime.engines.onnx.graph`'s; its docstring has the inputs and outputs. Conversions, padding and
cropping are inside it, so that any picture of any size goes in and comes out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime import __version__
from realtime.engines.onnx.graph import RGB_CODES, Ends, build, load_onnx, lowest_opset
from realtime.engines.onnx.io_adapters import FORMAT
from realtime.engines.onnx.quantise import Calibration, balanced, calibrate, generated_pictures
from realtime.engines.onnx.sessions import KINDS, OrtSession, Place
from realtime.errors import InputError, RestyleError
from realtime.media.convert.rgb import resize_image
from realtime.media.files.stills import find_images, read_image
from realtime.transnet.checkpoint import StyleCard, load_checkpoint
from realtime.transnet.color import planes_from_rgb, rgb_to_codes
from realtime.transnet.folding import TRAINED_IN, FoldedTransNet, fold
from realtime.transnet.gallery import find_style, gallery_folder
from realtime.transnet.network import CENTER, MULTIPLE, TransNet

Input = Literal["planes", "rgb"]
Precision = Literal["fp32", "fp16", "int8"]

CHECKS = ((64, 64, 4), (427, 241, 1), (70, 45, 2))
"""(width, height, pictures at once) of what the check runs: on the network's multiple and off it."""

CLOSE = 1e-3
"""Of full scale: what fp32 may be away from PyTorch."""

FLIPPED: dict[Ends, float] = {"planes": 1e-3, "rgb": 0.0, "rgb-uint8": 1e-2}
"""The share of the values that may be further away, by one code that lay between two and was rounded to the other side.
Planes are rounded when they go out. "rgb-uint8" also makes its codes inside, from a picture that has none: one of those
on the other side turns a contour's phase, and that is seen as far as the network reaches (0.6 % of metzinger's values
at 1280x720, 0.008 codes on average). "rgb" is checked with pictures of whole codes, so that nothing excuses it.
"""

FAITHFUL: dict[Precision, float] = {"fp16": 45.0, "int8": 30.0}
"""PSNR in dB that the others must have against PyTorch in fp32."""

CALIBRATION_PICTURES = 48
"""Pictures of a folder that int8 is calibrated with, at most: spread evenly over it."""

CALIBRATION_SIDE = 256
"""Their short side in pixels, at most."""

LICENCE = "MIT"
"""Of the gallery's styles."""


@dataclass(frozen=True, slots=True)
class Check:
    """How close ONNX Runtime comes to PyTorch in fp32.

    Attributes:
        width, height, pictures: what was run.
        max_difference, mean_difference: over all values, in codes of 255.
        far: share of the values that are further away than `CLOSE`.
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


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What was written, and how well it was met.

    Attributes:
        output: the file.
        style: name of the style.
        input, uint8, precision, opset: as asked for.
        static: (width, height), or None where any size goes.
        bytes: size of the file.
        nodes: of the graph.
        calibration: what int8 was calibrated with; empty in other precisions.
        max_difference, mean_difference: from PyTorch in fp32, in codes of 255, over all pictures of the checks.
        psnr: the lowest of the checks.
        checks: one for each size.
    """

    output: Path
    style: str
    input: Input
    uint8: bool
    precision: Precision
    opset: int
    static: tuple[int, int] | None
    bytes: int
    nodes: int
    calibration: str
    max_difference: float
    mean_difference: float
    psnr: float
    checks: tuple[Check, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "output": str(self.output)}


class Reference(nn.Module):
    """What the graph has to compute, in PyTorch in fp32.

    Args:
        network: in its training form.
        ends: see `realtime.engines.onnx.graph`.
    """

    def __init__(self, network: TransNet, ends: Ends) -> None:
        super().__init__()
        self.network, self.ends = fold(network, *(TRAINED_IN if ends == "planes" else RGB_CODES)), ends

    def planes(self, y: Tensor, uv: Tensor) -> tuple[Tensor, Tensor]:
        """Float codes (N, 1, H, W) and (N, 2, ceil(H/2), ceil(W/2)) -> the same, not rounded, not clamped."""
        (h, w), (tall, broad) = y.shape[2:], uv.shape[2:]
        full_h, full_w = (-(-s // MULTIPLE) * MULTIPLE for s in (h, w))
        y = F.pad(y, (0, full_w - w, 0, full_h - h), mode="replicate")
        uv = F.pad(uv, (0, full_w // 2 - broad, 0, full_h // 2 - tall), mode="replicate")
        x = self.network(torch.cat([F.pixel_unshuffle(y, 4), F.pixel_unshuffle(uv, 2)], 1) - CENTER) + CENTER
        return F.pixel_shuffle(x[:, :16], 4)[..., :h, :w], F.pixel_shuffle(x[:, 16:], 2)[..., :tall, :broad]

    @torch.inference_mode()
    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The inputs of the graph -> its outputs."""
        if self.ends == "planes":
            styled = self.planes(*(t.float() for t in tensors))
            return tuple(t.round().clamp(0, 255).to(torch.uint8) for t in styled)
        (rgb,) = tensors
        uint8 = self.ends == "rgb-uint8"
        full, (h, w) = 255 if uint8 else 1, rgb.shape[2:]
        m, t = rgb_to_codes(*RGB_CODES)
        rgb = F.pad(rgb.float(), (0, w % 2, 0, h % 2), mode="replicate")
        # in the graph's own order: a code on the edge between two must fall to the same side
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


def metadata(
    card: StyleCard, ends: Ends, precision: Precision, static: tuple[int, int] | None, licence: str
) -> dict[str, str]:
    """What the file says of itself; all values are text."""
    values = {
        "planes": "uint8 codes 0..255, 4:2:0; u then v; chroma is half the size, rounded up",
        "rgb": "float32 0..1, R G B",
        "rgb-uint8": "uint8 0..255, R G B",
        "cells": "",
    }
    codes = {"matrix": TRAINED_IN[0], "range": TRAINED_IN[1]} if ends == "planes" else {}
    return {
        "format": FORMAT,
        "style": card.name,
        "title": card.title,
        "artist": card.artist,
        "year": str(card.year or ""),
        "licence": licence or "not stated",
        "input": "planes" if ends == "planes" else "rgb",
        "values": values[ends],
        **codes,
        "precision": precision,
        "multiple": str(MULTIPLE),
        "padding": "inside: any width and height",
        "static": f"{static[0]}x{static[1]}" if static else "",
        "architecture": json.dumps(card.architecture.to_dict()),
        "restyle": __version__,
    }


def compare(path: Path, reference: Reference, sizes: Sequence[tuple[int, int, int]]) -> list[Check]:
    """Run a file on the CPU by ONNX Runtime, and PyTorch beside it.

    Args:
        path: the .onnx file.
        reference: of the same ends.
        sizes: (width, height, pictures at once).

    Raises:
        RestyleError: ONNX Runtime cannot run it, or gives other shapes or types.
    """
    session = OrtSession(path, Place(KINDS["cpu"]), threads=torch.get_num_threads(), name="the exported network")
    return [_compared(session, reference, width, height, count) for width, height, count in sizes]


def _compared(session: OrtSession, reference: Reference, width: int, height: int, count: int) -> Check:
    feeds = check_pictures(reference.ends, width, height, count)
    got = session.run({name: tensor.numpy() for name, tensor in feeds.items()})
    full = 1.0 if reference.ends == "rgb" else 255.0
    differences = []
    for have, want in zip(got, reference(*feeds.values()), strict=True):
        if have.shape != tuple(want.shape) or have.dtype != want.numpy().dtype:
            raise RestyleError(
                f"ONNX Runtime gives {have.shape} {have.dtype}, PyTorch {tuple(want.shape)} {want.dtype}"
            )
        differences.append(np.abs(have.astype(np.float64) - want.double().numpy()).ravel() / full)
    away = np.nan_to_num(np.concatenate(differences), nan=np.inf)
    square = float(np.square(away).mean())
    return Check(
        width,
        height,
        count,
        max_difference=float(away.max()) * 255,
        mean_difference=float(away.mean()) * 255,
        far=float((away > CLOSE).mean()),
        psnr=float(min(200.0, -10 * np.log10(max(square, 1e-30)))),
    )


def check_pictures(ends: Ends, width: int, height: int, count: int) -> dict[str, Tensor]:
    """Inputs of the graph for a check: other pictures than those of the calibration.

    Those for "rgb" are made of whole codes, which are the same whichever way the graph's sums are rounded.
    """
    rgb = torch.cat(generated_pictures(count, height, width, seed=2)[:count])
    if ends == "rgb":
        return {"rgb": whole_codes(rgb)}
    if ends == "rgb-uint8":
        return {"rgb": (rgb * 255).round().to(torch.uint8)}
    rgb = F.pad(rgb, (0, width % 2, 0, height % 2), mode="replicate")
    y, uv = (plane.round().clamp(0, 255).to(torch.uint8) for plane in planes_from_rgb(rgb, *TRAINED_IN))
    return {"y": y[..., :height, :width].contiguous(), "uv": uv}


def whole_codes(rgb: Tensor) -> Tensor:
    """Pictures of half the contrast and a quarter of the colour, whose 4:2:0 codes (`RGB_CODES`) are whole numbers.

    Args:
        rgb: (N, 3, H, W) in 0..1.

    Returns:
        the same shape, fp32: in 0..1 without clamping, since so little colour is left.
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


def calibration_pictures(folder: Path) -> Iterator[Tensor]:
    """Pictures of a folder, (1, 3, H, W) in 0..1, spread evenly over it and shrunk.

    Raises:
        InputError: there is none, or one cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; --calibration takes one with pictures")
    found = find_images([folder])
    for path in found[:: max(1, -(-len(found) // CALIBRATION_PICTURES))]:
        rgb = read_image(path)
        if min(rgb.shape[:2]) > CALIBRATION_SIDE:
            rgb = resize_image(rgb, CALIBRATION_SIDE)
        yield torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255


def verdict(checks: Sequence[Check], precision: Precision, ends: Ends) -> str:
    """What is wrong with a file; empty where it does what PyTorch does."""
    for check in checks:
        if precision == "fp32":
            if not (check.far <= FLIPPED[ends] and check.mean_difference <= CLOSE * 255):
                return f"{check}; {check.far:.2%} of it further than {CLOSE:g} of full scale"
        elif not check.psnr >= FAITHFUL[precision]:
            return f"{check}; {precision} needs {FAITHFUL[precision]:g} dB"
    return ""


def export_onnx(
    style: str | Path,
    output: str | Path,
    *,
    input: Input = "planes",
    uint8: bool = False,
    precision: Precision = "fp32",
    opset: int | None = None,
    static: tuple[int, int] | None = None,
    calibration: str | Path | None = None,
    licence: str | None = None,
    overwrite: bool = False,
    checks: Sequence[tuple[int, int, int]] = CHECKS,
) -> ExportSummary:
    """Write a style as ONNX, checked against PyTorch.

    Args:
        style: a name from the gallery, or a checkpoint.
        output: the .onnx file. It appears when it has passed the check, and not before.
        input: "planes" for 8-bit 4:2:0 codes (BT.709, limited range), "rgb" for pictures.
        uint8: RGB goes in and comes out in 0..255 instead of floats in 0..1.
        precision: of weights and activations; what goes in and comes out is the same in all of them.
        opset: of the default ONNX domain; None takes the oldest that does, which most runtimes know.
        static: (width, height) for pictures of one size, one at a time; None for any.
        calibration: for int8: a folder of pictures such as will be stylised; None takes generated ones.
        licence: of the style, for the metadata; None says MIT for the gallery's and nothing for others.
        overwrite: replace an output that is there.
        checks: (width, height, pictures at once) to compare with PyTorch; without effect where `static` says the size.

    Raises:
        InputError: an option, the style or the output is wrong, or the package onnx is missing.
        RestyleError: the file cannot be written, or does not give what PyTorch gives.
    """
    target = Path(output)
    if input not in get_args(Input):
        raise InputError(f"input {input!r}: choose planes or rgb")
    if precision not in get_args(Precision):
        raise InputError(f"precision {precision!r}: choose fp32, fp16 or int8")
    if uint8 and input == "planes":
        raise InputError("uint8: planes are uint8 always; it goes with --input rgb")
    if calibration is not None and precision != "int8":
        raise InputError(f"calibration: is for int8, not {precision}")
    if static is not None and min(static) < 1:
        raise InputError(f"static {static}: give width and height")
    if target.suffix != ".onnx":
        raise InputError(f"{target}: an exported network's name ends in .onnx")
    if not target.parent.is_dir():
        raise InputError(f"{target.parent}: no such folder")
    if target.is_dir() or (target.exists() and not overwrite):
        raise InputError(f"{target}: exists; use --overwrite to replace it")
    path = find_style(style)
    if path.suffix == ".onnx":
        raise InputError(f"{path}: is an exported network already; give the style's name or checkpoint")
    onnx = load_onnx()
    network, card = load_checkpoint(path)
    ends: Ends = "planes" if input == "planes" else "rgb-uint8" if uint8 else "rgb"
    reference = Reference(network, ends)
    lowest, highest = lowest_opset(reference.network), onnx.defs.onnx_opset_version()
    opset = lowest if opset is None else opset
    if not lowest <= opset <= highest:
        raise InputError(f"opset {opset}: this network and onnx {onnx.__version__} take {lowest} to {highest}")
    measured = _calibration(network, calibration) if precision == "int8" else None
    model = _model(reference.network, ends, precision, opset, static, measured)
    if licence is None:
        licence = LICENCE if path.parent == gallery_folder() else ""
    onnx.helper.set_model_props(model, metadata(card, ends, precision, static, licence))
    part = target.with_name(f".{target.stem}.{os.getpid()}.part.onnx")
    try:
        try:
            onnx.checker.check_model(model, full_check=True)
        except Exception as error:  # the checker's and shape inference's have no common base
            raise RestyleError(f"{target}: the graph is not valid ONNX: {' '.join(str(error).split())}") from error
        part.write_bytes(model.SerializeToString())
        found = compare(part, reference, [(*static, 1)] if static else checks)
        if wrong := verdict(found, precision, ends):
            raise RestyleError(f"{target}: not written: ONNX Runtime differs from PyTorch: {wrong}")
        size = part.stat().st_size
        part.replace(target)
    except OSError as error:
        raise RestyleError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    values = [check.width * check.height * check.pictures for check in found]
    return ExportSummary(
        output=target,
        style=card.name,
        input=input,
        uint8=uint8,
        precision=precision,
        opset=opset,
        static=static,
        bytes=size,
        nodes=len(model.graph.node),
        calibration="" if measured is None else str(calibration or "generated pictures"),
        max_difference=round(max(check.max_difference for check in found), 4),
        mean_difference=round(float(np.average([check.mean_difference for check in found], weights=values)), 6),
        psnr=round(min(check.psnr for check in found), 2),
        checks=tuple(found),
    )


def _calibration(network: TransNet, folder: str | Path | None) -> Calibration:
    return calibrate(network, generated_pictures() if folder is None else calibration_pictures(Path(folder)))


def _model(
    network: FoldedTransNet,
    ends: Ends,
    precision: Precision,
    opset: int,
    static: tuple[int, int] | None,
    calibration: Calibration | None,
) -> Any:
    """The graph without its metadata."""
    spans = None
    if calibration is not None:
        network, spans = balanced(network, calibration.gains), calibration.spans
    return build(network, ends=ends, opset=opset, half=precision == "fp16", spans=spans, static=static)
