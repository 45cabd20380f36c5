"""`restyle export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from realtime.cli.common import StyleArgument, check_style, print_json, say
from realtime.options import ConsoleOptions, ExportOptions, StyleOptions


def export(
    style: StyleArgument,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT.onnx", help="The file to write.")],
    options: ExportOptions,
    style_options: StyleOptions,
    console: ConsoleOptions,
) -> None:
    """Export a style to ONNX, and check it against PyTorch."""
    check_style(style, style_options)
    from export.onnx_export import export_onnx

    summary = export_onnx(style, output, options, style_options)
    if not console.quiet:
        size = "{}x{} only".format(*options.static) if options.static else "any size"
        fitted = f", fitted to {summary.calibration}" if summary.calibration else ""
        say(
            f"{summary.output}: {summary.bytes / 2**20:.1f} MiB, {summary.nodes} nodes, opset {summary.opset}, {size},"
            f" {summary.precision}{fitted}"
        )
        for check in summary.checks:
            say(f"compared with PyTorch, {check}")
    if console.json:
        print_json(summary.to_json())
