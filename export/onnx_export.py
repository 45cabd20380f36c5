"""TransNet to ONNX files: written, checked by the package onnx, and compared with PyTorch before they get their names.

`realtime.engines.onnx.graph` builds the graph; its docstring has the inputs and outputs. Conversions, padding and
cropping are inside it, so that any picture of any size goes in and comes out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.onnx_check import CHECKS, Check, Reference, Sizes, compare, verdict
from realtime.engines.onnx.builder import load_onnx
from realtime.engines.onnx.calibration import calibrate
from realtime.engines.onnx.channel_balancing import balanced
from realtime.engines.onnx.generated_pictures import generated_pictures
from realtime.engines.onnx.graph import MIN_OPSET, GraphIo, build
from realtime.engines.onnx.model_file import FORMAT
from realtime.errors import InputError, RestyleError, one_line
from realtime.media.convert.rgb import resize_image
from realtime.media.files.stills import find_images, read_image
from realtime.options import ExportOptions, StyleOptions
from realtime.release import __version__
from realtime.results import Summary
from realtime.style.resolve import resolve_style
from realtime.transnet.checkpoint import StyleCard, load_checkpoint
from realtime.transnet.folding import TRAINED_IN
from realtime.transnet.gallery import gallery_folder
from realtime.transnet.network import MULTIPLE, TransNet

MAX_CALIBRATION_PICTURES = 48
"""Pictures of a folder that int8 is calibrated with: spread evenly over it."""

MAX_CALIBRATION_SIDE = 256
"""Short side in pixels of pictures for calibration; larger ones are shrunk."""

GALLERY_LICENCE = "MIT"

_VALUES: dict[GraphIo, str] = {
    "planes": "uint8 codes 0..255, 4:2:0; u then v; chroma is half the size, rounded up",
    "rgb": "float32 0..1, R G B",
    "rgb-uint8": "uint8 0..255, R G B",
}
"""What goes in and comes out, for the metadata."""


@dataclass(frozen=True, kw_only=True)
class ExportSummary(Summary):
    """An exported network, and how close it is to PyTorch.

    Attributes:
        output: the file.
        style: name of the style.
        input, uint8, precision: as in `ExportOptions`.
        opset: version of ONNX's operators.
        static: (width, height), or None for any size.
        bytes: size of the file.
        nodes: number of nodes in the graph.
        calibration: what int8 was calibrated with; empty in other precisions.
        max_difference, mean_difference: from PyTorch in fp32, in codes of 255, over all pictures of the checks.
        psnr: the lowest of the checks, in dB.
        checks: one for each size.
    """

    output: Path
    style: str
    input: str
    uint8: bool
    precision: str
    opset: int
    static: tuple[int, int] | None
    bytes: int
    nodes: int
    calibration: str
    max_difference: float
    mean_difference: float
    psnr: float
    checks: tuple[Check, ...]


def export_onnx(
    style: str | Path,
    output: str | Path,
    options: ExportOptions = ExportOptions(),
    style_options: StyleOptions = StyleOptions(),
    *,
    checks: Sizes = CHECKS,
) -> ExportSummary:
    """Write a style as ONNX, checked against PyTorch.

    Args:
        style: a name from the gallery, a checkpoint, a picture, or a blend.
        output: the .onnx file. It appears only after it has passed the check.
        options: what to write.
        style_options: how the network is made from a picture or a blend.
        checks: what to compare with PyTorch; not used if `options.static` gives the size.

    Raises:
        InputError: an option, the style or the output is wrong, or the package onnx is missing.
        RestyleError: the file cannot be written, or is not close enough to PyTorch.
    """
    target = Path(output)
    _check_target(target, options)
    path = resolve_style(style, style_options)
    if path.suffix == ".onnx":
        raise InputError(f"{path}: is an exported network already; give the style's name or checkpoint")
    network, card = load_checkpoint(path)
    io: GraphIo = "planes" if options.input == "planes" else "rgb-uint8" if options.uint8 else "rgb"
    reference = Reference(network, io)
    model = _model(network, reference, options)
    licence = options.licence
    if licence is None:
        licence = GALLERY_LICENCE if path.parent == gallery_folder() else ""
    load_onnx().helper.set_model_props(model, metadata(card, io, options, licence))
    sizes = [(*options.static, 1)] if options.static else checks
    found, size = _write(model, target, reference, options.precision, sizes)
    return ExportSummary(
        output=target,
        style=card.name,
        input=options.input,
        uint8=options.uint8,
        precision=options.precision,
        opset=options.opset or MIN_OPSET,
        static=options.static,
        bytes=size,
        nodes=len(model.graph.node),
        calibration=str(options.calibration or "generated pictures") if options.precision == "int8" else "",
        max_difference=round(max(check.max_difference for check in found), 4),
        mean_difference=round(
            float(np.average([c.mean_difference for c in found], weights=[w * h * n for w, h, n in sizes])), 6
        ),
        psnr=round(min(check.psnr for check in found), 2),
        checks=tuple(found),
    )


def _check_target(target: Path, options: ExportOptions) -> None:
    if target.suffix != ".onnx":
        raise InputError(f"{target}: an exported network's name ends in .onnx")
    if not target.parent.is_dir():
        raise InputError(f"{target.parent}: no such folder")
    if target.is_dir() or (target.exists() and not options.overwrite):
        raise InputError(f"{target}: exists; use --overwrite to replace it")
    onnx = load_onnx()
    highest = onnx.defs.onnx_opset_version()
    if options.opset is not None and not MIN_OPSET <= options.opset <= highest:
        raise InputError(f"opset {options.opset}: restyle and onnx {onnx.__version__} take {MIN_OPSET} to {highest}")


def _model(network: TransNet, reference: Reference, options: ExportOptions) -> Any:
    """The graph without its metadata."""
    folded, quantizations = reference.network, None
    if options.precision == "int8":
        folder = options.calibration
        calibration = calibrate(network, generated_pictures() if folder is None else calibration_pictures(folder))
        folded, quantizations = balanced(folded, calibration.gains), calibration.quantizations
    return build(
        folded,
        io=reference.io,
        opset=options.opset,
        half=options.precision == "fp16",
        quantizations=quantizations,
        static=options.static,
    )


def calibration_pictures(folder: Path) -> Iterator[Tensor]:
    """Pictures of a folder, (1, 3, H, W) in 0..1, spread evenly over it and shrunk.

    Raises:
        InputError: there is none, or one cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; --calibration takes one with pictures")
    found = find_images([folder])
    for path in found[:: max(1, -(-len(found) // MAX_CALIBRATION_PICTURES))]:
        rgb = read_image(path)
        if min(rgb.shape[:2]) > MAX_CALIBRATION_SIDE:
            rgb = resize_image(rgb, MAX_CALIBRATION_SIDE)
        yield torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255


def metadata(card: StyleCard, io: GraphIo, options: ExportOptions, licence: str) -> dict[str, str]:
    """The file's properties; all values are text."""
    codes = {"matrix": TRAINED_IN[0], "range": TRAINED_IN[1]} if io == "planes" else {}
    return {
        "format": FORMAT,
        "style": card.name,
        "title": card.title,
        "artist": card.artist,
        "year": str(card.year or ""),
        "licence": licence or "not stated",
        "input": options.input,
        "values": _VALUES[io],
        **codes,
        "precision": options.precision,
        "multiple": str(MULTIPLE),
        "padding": "inside: any width and height",
        "static": "{}x{}".format(*options.static) if options.static else "",
        "architecture": json.dumps(card.architecture.to_dict()),
        "restyle": __version__,
    }


def _write(model: Any, target: Path, reference: Reference, precision: str, sizes: Sizes) -> tuple[list[Check], int]:
    """Write a graph under another name, check it, and give it its own.

    Returns:
        the checks, and the size of the file in bytes.
    """
    part = target.with_name(f".{target.stem}.{os.getpid()}.part.onnx")
    try:
        try:
            load_onnx().checker.check_model(model, full_check=True)
        except Exception as error:  # the checker's and shape inference's have no common base
            raise RestyleError(f"{target}: the graph is not valid ONNX: {one_line(error)}") from error
        part.write_bytes(model.SerializeToString())
        found = compare(part, reference, sizes)
        if problem := verdict(found, precision, reference.io):
            raise RestyleError(f"{target}: not written: ONNX Runtime differs from PyTorch: {problem}")
        size = part.stat().st_size
        part.replace(target)
    except OSError as error:
        raise RestyleError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return found, size
