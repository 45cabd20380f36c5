"""`restyle export`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from realtime.cli.common import Debug, Json, Overwrite, Quiet, print_json, say


def _static(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[1-9]\d*x[1-9]\d*", value):
        raise typer.BadParameter(f"{value!r} is not WxH (640x360).")
    return value


def export(
    style: Annotated[
        str, typer.Argument(metavar="STYLE", help="A name from `restyle styles`, or a .safetensors file.")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT.onnx", help="The file to write.")],
    input: Annotated[
        Literal["rgb", "planes"],
        typer.Option("--input", help="What goes in and out: 8-bit 4:2:0 planes, or RGB floats in 0..1."),
    ] = "planes",
    precision: Annotated[
        Literal["fp32", "fp16"], typer.Option("--precision", help="Of weights and what is computed.")
    ] = "fp32",
    static: Annotated[
        str | None,
        typer.Option("--static", metavar="WxH", callback=_static, help="For this size only. [default: any size]"),
    ] = None,
    opset: Annotated[int, typer.Option("--opset", min=17, metavar="N", help="Version of ONNX's operators.")] = 17,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Export a style to ONNX, and check it against PyTorch."""
    from export.onnx_export import export_onnx

    width, _, height = (static or "").partition("x")
    summary = export_onnx(
        style,
        output,
        input=input,
        precision=precision,
        opset=opset,
        static=(int(width), int(height)) if static else None,
        overwrite=overwrite,
    )
    if not quiet:
        say(
            f"{summary.output}: {summary.bytes / 2**20:.1f} MiB, {summary.nodes} nodes; differs from PyTorch by at most"
            f" {summary.max_difference:.3g} of 255, {summary.mean_difference:.2g} on average"
        )
    if json:
        print_json(summary.to_dict())
