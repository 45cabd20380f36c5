"""`restyle webcam`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from realtime.cli.common import (
    DEFAULT_STYLE,
    Backend,
    Debug,
    Device,
    Json,
    KeepColor,
    Overwrite,
    Precision,
    Quiet,
    Strength,
    Threads,
    one_line,
    print_json,
    say,
    warn,
)


def _options(values: list[str]) -> list[str]:
    for value in values:
        if "=" not in value.strip("="):
            raise typer.BadParameter(f"{value!r} is not KEY=VALUE, such as framerate=60.")
    return values


def webcam(
    style: Annotated[
        list[str] | None,
        typer.Option(
            "--style", "-s", metavar="STYLE", help=f"A style; several for the keys 1 to 9. [default: {DEFAULT_STYLE}]"
        ),
    ] = None,
    camera: Annotated[
        str,
        typer.Option(
            "--camera",
            "-c",
            metavar="SOURCE",
            help="A camera's number or device, screen, a URL (rtsp, http, udp, tcp, ...), a file, or FORMAT:SOURCE.",
        ),
    ] = "0",
    size: Annotated[
        str | None,
        typer.Option(
            "--size", metavar="SHORT|WxH", help="Fix the size. [default: the camera's; adapts to the machine]"
        ),
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", min=1, max=1000, metavar="FPS", help="Ask the camera for this rate.")
    ] = None,
    camera_option: Annotated[
        list[str] | None,
        typer.Option(
            "--camera-option",
            metavar="KEY=VALUE",
            callback=lambda v: _options(v or []),
            help="Option of FFmpeg's input.",
        ),
    ] = None,
    reconnect: Annotated[
        float,
        typer.Option("--reconnect", min=0, metavar="S", help="Look for a lost camera or stream for so many seconds."),
    ] = 30,
    strength: Strength = 1.0,
    keep_color: KeepColor = False,
    mirror: Annotated[bool, typer.Option("--mirror", help="Exchange left and right.")] = False,
    split: Annotated[bool, typer.Option("--split", help="Begin with the camera beside the style.")] = False,
    hold: Annotated[
        float,
        typer.Option("--hold", min=0, max=16, metavar="0..16", help="Hold still areas against flicker; 0 is off."),
    ] = 0,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="FILE", help="Record; the file can be played after a crash, too.")
    ] = None,
    sound: Annotated[
        str,
        typer.Option(
            "--sound",
            metavar="auto|off|DEVICE",
            help="Sound of recordings. auto: the source's own, else a microphone's.",
        ),
    ] = "auto",
    encoder: Annotated[str, typer.Option("--encoder", metavar="auto|NAME", help="Encoder of recordings.")] = "auto",
    quality: Annotated[
        float | None,
        typer.Option("--quality", metavar="N", help="CRF or CQ of recordings: lower is better and larger."),
    ] = None,
    overwrite: Overwrite = False,
    folder: Annotated[
        Path, typer.Option("--folder", metavar="DIR", help="Where snapshots and recordings by key go.")
    ] = Path("."),
    virtual_camera: Annotated[
        bool, typer.Option("--virtual-camera", help="Be a camera for other programs, too (needs pyvirtualcam).")
    ] = False,
    virtual_camera_device: Annotated[
        str | None, typer.Option("--virtual-camera-device", metavar="NAME", help="Which one. [default: the first]")
    ] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Without a window.")] = False,
    full_screen: Annotated[bool, typer.Option("--full-screen", help="Begin with the whole screen.")] = False,
    no_overlay: Annotated[bool, typer.Option("--no-overlay", help="Begin without text on the picture.")] = False,
    frames: Annotated[int | None, typer.Option("--frames", min=1, metavar="N", help="End after N pictures.")] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.01, metavar="S", help="End after S seconds.")
    ] = None,
    backend: Backend = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    batch: Annotated[
        int, typer.Option("--batch", min=1, max=1, metavar="1", help="Live pictures go one at a time.")
    ] = 1,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Restyle a camera, a stream or a screen, live. The key h in the window lists the keys."""
    from realtime.jobs.live.painter import Look
    from realtime.jobs.live.webcam import webcam as run

    summary = run(
        style or [DEFAULT_STYLE],
        camera=camera,
        size=size,
        rate=rate,
        camera_options=dict(option.split("=", 1) for option in camera_option or []),
        reconnect=reconnect,
        look=Look(strength=strength, keep_color=keep_color, mirror=mirror, split=split, hold=hold),
        headless=headless,
        frames=frames,
        seconds=seconds,
        overlay=not no_overlay,
        full_screen=full_screen,
        virtual_camera=virtual_camera or virtual_camera_device is not None,
        virtual_camera_device=virtual_camera_device,
        record=record,
        sound=sound,
        encoder=encoder,
        quality=quality,
        overwrite=overwrite,
        folder=folder,
        backend=backend,
        device=device,
        precision=precision,
        threads=threads,
        announce=None if quiet else say,
    )
    if not quiet:
        latency = summary["latency_ms"]
        say(
            f"{summary['frames_out']} pictures shown, {summary['dropped']} dropped, {summary['fps']:.1f} fps,"
            f" latency {latency['p50']:.0f} ms (95 %: {latency['p95']:.0f} ms); {summary['end']}"
        )
        for recording in summary["recordings"]:
            heard = f"sound in {recording['sound']}" if recording["sound"] else "no sound"
            say(f"{recording['path']}: {recording['frames']} pictures, {recording['seconds']:.1f} s, {heard}")
        for note in summary["notes"]:
            say(f"note: {one_line(note)}")
    warn(summary)
    if json:
        print_json(summary)
    if summary["end"] == "interrupted":
        raise KeyboardInterrupt
