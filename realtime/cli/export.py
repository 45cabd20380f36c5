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
    uint8: Annotated[bool, typer.Option("--uint8", help="RGB in 0..255 instead of floats.")] = False,
    precision: Annotated[
        Literal["fp32", "fp16", "int8"] | None,
        typer.Option("--precision", help="Of weights and what is computed.  [default: fp32]"),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="The same as --precision int8: for CPUs, quantised.")] = False,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            metavar="DIR",
            help="Pictures that int8 is fitted to.  [default: generated ones]",
        ),
    ] = None,
    static: Annotated[
        str | None,
        typer.Option("--static", metavar="WxH", callback=_static, help="For this size only.  [default: any size]"),
    ] = None,
    opset: Annotated[
        int | None,
        typer.Option("--opset", metavar="N", help="Version of ONNX's operators.  [default: 13; 17 with layer norm]"),
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="TEXT", help="Of the style, for the file's metadata.")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Export a style to ONNX, and check it against PyTorch."""
    from export.onnx_export import export_onnx

    if int8 and precision not in (None, "int8"):
        raise typer.BadParameter(f"--int8 and --precision {precision} exclude each other.")
    width, _, height = (static or "").partition("x")
    summary = export_onnx(
        style,
        output,
        input=input,
        uint8=uint8,
        precision="int8" if int8 else precision or "fp32",
        opset=opset,
        static=(int(width), int(height)) if static else None,
        calibration=calibration,
        licence=licence,
        overwrite=overwrite,
    )
    if not quiet:
        size = f"{static} only" if static else "any size"
        fitted = f", fitted to {summary.calibration}" if summary.calibration else ""
        say(
            f"{summary.output}: {summary.bytes / 2**20:.1f} MiB, {summary.nodes} nodes, opset {summary.opset}, {size},"
            f" {summary.precision}{fitted}"
        )
        for check in summary.checks:
            say(f"beside PyTorch, {check}")
    if json:
        print_json(summary.to_dict())
