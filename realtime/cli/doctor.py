"""`restyle doctor`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from realtime.cli.common import print_json
from realtime.options import ConsoleOptions


def doctor(console: ConsoleOptions) -> None:
    """Show what this machine offers, and why not more."""
    from realtime.doctor import examine

    found = examine()
    if console.json:
        print_json(found)
        return
    if found["installation"]:
        _section("Installation", found["installation"])
    cpu = found["cpu"]
    _section("Versions", [f"{name} {number}" for name, number in found["versions"].items()])
    _section(
        "Processor",
        [f"{cpu['name']}, {cpu['cores']} cores, {cpu['threads']} threads, {cpu['capability']}, bf16: {cpu['bf16']}"],
    )
    _section("Devices", _lines(found["devices"]))
    _section("The way through a GPU", _lines(found["gpu"]))
    _section("ONNX Runtime providers", _lines(found["providers"]))
    _section("Video encoders", _lines(found["encoders"]))
    _section("Hardware decoding", _lines(found["hardware_decoders"]))
    _section("Cameras", _camera_lines(found["cameras"]))
    _section("Microphones", _lines(found["microphones"]))
    _section("Virtual cameras", _lines(found["virtual_cameras"]))
    _section("Styles", [found["styles_error"] or ", ".join(found["styles"])])


def _lines(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for entry in entries:
        extra = [str(entry["title"])] if entry.get("title") else []
        if "memory_gib" in entry:
            extra.append(f"{entry['memory_gib']} GiB, compute capability {entry['compute_capability']}")
        words = ("yes", *extra) if entry["works"] else ("no", entry["reason"])
        lines.append(f"{entry['name']}: {', '.join(words)}")
    return lines


def _camera_lines(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each camera, and under it one for each format."""
    lines = []
    for entry, line in zip(entries, _lines(entries), strict=True):
        lines.append(line)
        formats: dict[str, list[str]] = {}
        for mode in entry["modes"]:
            form, _, rest = mode.partition(" ")
            formats.setdefault(form, []).append(rest)
        lines += [f"  {form}: {', '.join(modes)}" for form, modes in formats.items()]
    return lines


def _section(title: str, lines: Sequence[str]) -> None:
    typer.echo(title)
    for line in lines or ("none found",):
        typer.echo(f"  {line or 'none found'}")
