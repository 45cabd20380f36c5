"""The public object: load a style once, then stylise files, pictures, and frames."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from realtime import pipeline
from realtime.engines.base import Backend, Engine, Precision
from realtime.errors import InputError
from realtime.frames import Frame
from realtime.transnet.checkpoint import load_checkpoint
from realtime.transnet.gallery import find_style


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        frames: written so far.
        total: how many there will be, estimated; None where the source does not tell.
        seconds: since the start.
    """

    frames: int
    total: int | None
    seconds: float

    @property
    def fps(self) -> float:
        """Frames written per second since the start."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0


def parse_size(size: str | int | tuple[int, int] | None) -> int | tuple[int, int] | None:
    """A size as people write it: 360, "360" (short side in pixels), "640x360", (640, 360), or None.

    Raises:
        InputError: it is none of these.
    """
    if isinstance(size, str):
        match = re.fullmatch(r"(\d+)(?:x(\d+))?", size.strip().lower())
        if match is None:
            raise InputError(f"size {size!r}: give the short side (360) or width and height (640x360)")
        size = (int(match[1]), int(match[2])) if match[2] else int(match[1])
    return size


class Stylizer:
    """A style, ready to run.

    Args:
        style: a name from the gallery (`realtime.styles()`), or the path of a checkpoint.
        backend: what runs the network; "auto" takes the fastest there is.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "auto" (bf16 on processors that have it, else fp32; fp16 on GPUs), "fp32", "fp16" or "bf16".
        batch: frames at once through the network; None lets the engine choose.
        threads: of the network on the CPU; None lets the engine choose.

    Attributes:
        style: what is known of the style.
        engine: what runs it; `engine.description` says it in a line.

    Raises:
        StyleError: the style is unknown or its file is damaged.
        InputError: a device, backend or precision is not to be had.
    """

    def __init__(
        self,
        style: str | Path,
        *,
        backend: Backend = "auto",
        device: str = "auto",
        precision: Precision = "auto",
        batch: int | None = None,
        threads: int | None = None,
    ) -> None:
        from realtime.engines.torch_engine import TorchEngine

        path = find_style(style)
        if path.suffix == ".onnx" or backend == "onnx":
            raise InputError(f"{path.name}: this version runs checkpoints in PyTorch only; use --backend torch")
        if backend not in ("auto", "torch"):
            raise InputError(f"backend {backend!r}: choose auto or torch")
        network, self.style = load_checkpoint(path)
        self.engine: Engine = TorchEngine(network, device=device, precision=precision, batch=batch, threads=threads)

    def __repr__(self) -> str:
        return f"Stylizer({self.style.name!r}: {self.engine.description})"

    def video(
        self,
        input: str | Path,
        output: str | Path,
        *,
        strength: float = 1.0,
        keep_color: bool = False,
        size: str | int | tuple[int, int] | None = None,
        start: float | None = None,
        end: float | None = None,
        encoder: str = "auto",
        quality: float | None = None,
        compare: bool = False,
        overwrite: bool = False,
        progress: Callable[[Progress], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> dict[str, Any]:
        """Restyle a video file. Sound, subtitles and metadata are kept; every frame keeps its time.

        Args:
            input, output: files. The output appears under its name when it is complete, and not before.
            strength: 0 (the source) to 1 (the style).
            keep_color: luma of the style, chroma of the source.
            size: short side in pixels, or (width, height), or "WIDTHxHEIGHT"; None keeps the source's.
            start, end: seconds from the beginning; the output begins at 0.
            encoder: FFmpeg's name of a video encoder; "auto" suits the container.
            quality: the encoder's constant-quality number (CRF): lower is better and larger; None for a good default.
            compare: source on the left half, style on the right.
            overwrite: replace an existing output.
            progress: called about ten times a second, in this thread.
            cancel: set it to end the run early; nothing is left then.

        Returns:
            input, output, style, frames, seconds (wall), fps, backend, device, precision, encoder, audio_streams,
            stages ({"decode" | "infer" | "encode": {"busy_seconds", "fps"}}), notes and warnings.

        Raises:
            InputError: a file or an option is wrong; nothing was written.
            RestyleError: the work failed; nothing is left of the output.
        """
        from realtime.media.reader import VideoReader
        from realtime.media.split import compare as split_screen
        from realtime.media.writer import VideoWriter

        _check_strength(strength)
        with VideoReader(input, start=start, end=end, size=parse_size(size)) as reader:
            total = reader.total_frames

            def work(frames: list[Frame]) -> Sequence[Frame]:
                styled = self.engine.stylize(frames, strength=strength, keep_color=keep_color)
                return [split_screen(a, b) for a, b in zip(frames, styled, strict=True)] if compare else styled

            with VideoWriter(output, reader, encoder=encoder, quality=quality, overwrite=overwrite) as writer:
                clock = _Clock()
                report = pipeline.run(
                    reader,
                    work,
                    writer.write,
                    batch=self.engine.batch,
                    fits=Frame.fits_with,
                    progress=None if progress is None else lambda n: progress(Progress(n, total, clock.seconds)),
                    cancel=cancel,
                )
                written = writer.finish()
                seconds = clock.seconds
        stages = {
            name: {"busy_seconds": round(stage.busy_seconds, 4), "fps": round(stage.fps, 2)}
            for name, stage in report.stages.items()
        }
        return {
            "input": str(input),
            "output": str(output),
            "style": self.style.name,
            "frames": written.frames,
            "seconds": round(seconds, 4),
            "fps": round(written.frames / seconds, 2),
            "backend": self.engine.backend,
            "device": self.engine.device,
            "precision": self.engine.precision,
            "encoder": written.encoder,
            "audio_streams": written.audio_streams,
            "stages": stages,
            "copied": written.copied,
            "converted": written.converted,
            "dropped": written.dropped,
            "notes": [*self.engine.notes, *written.notes],
            "warnings": list(reader.warnings),
        }

    def pictures(
        self,
        inputs: Sequence[str | Path],
        output: str | Path,
        *,
        strength: float = 1.0,
        keep_color: bool = False,
        size: str | int | tuple[int, int] | None = None,
        overwrite: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> dict[str, Any]:
        """Restyle image files.

        Args:
            inputs: files, and folders whose images are taken.
            output: a file for one input file; else a folder, made where it is missing, that gets a file of the same
                name for each.
            strength, keep_color, size, overwrite: as for `video`.
            progress: called after each picture.

        Returns:
            output, style, images, seconds, fps, backend, device, precision, notes, and warnings: of several pictures
            those that could not be read or written are told there, and the others are done all the same.

        Raises:
            InputError: a file or an option is wrong, or not one picture could be restyled.
        """
        from realtime.media import stills

        _check_strength(strength)
        wanted = parse_size(size)
        sources, target = stills.find_images(inputs), Path(output)
        alone = len(sources) == 1 and not Path(inputs[0]).is_dir() and not target.is_dir()
        if alone:
            targets = [target]
            stills.check_image_target(target, overwrite=overwrite)
        else:
            if target.suffix and not target.is_dir():
                raise InputError(f"{target}: several pictures need a folder to go to")
            if not target.parent.is_dir():
                raise InputError(f"{target}: the folder {target.parent} does not exist")
            target.mkdir(exist_ok=True)
            targets = [target / source.name for source in sources]
        if len(set(targets)) < len(targets):
            twice = next(t for t in targets if targets.count(t) > 1)
            raise InputError(f"{twice}: two of the pictures would go there; restyle them into folders of their own")
        for source, place in zip(sources, targets, strict=True):
            if place.exists() and source.exists() and place.samefile(source):
                raise InputError(f"{place}: is the source itself; name another file or folder")
        clock, warnings = _Clock(), []
        for done, (source, place) in enumerate(zip(sources, targets, strict=True), 1):
            try:
                stills.check_image_target(place, overwrite=overwrite)
                rgb = stills.read_image(source)
                if wanted is not None:
                    rgb = stills.resize_image(rgb, wanted)
                styled = self.image(rgb, strength=strength, keep_color=keep_color)
                stills.write_image(place, styled, overwrite=overwrite)
            except InputError as error:
                if len(sources) == 1:
                    raise
                warnings.append(str(error))
            if progress is not None:
                progress(Progress(done, len(sources), clock.seconds))
        if len(warnings) == len(sources):
            raise InputError(f"none of the {len(sources)} pictures could be restyled; the first: {warnings[0]}")
        seconds = clock.seconds
        return {
            "output": str(output),
            "style": self.style.name,
            "images": len(sources) - len(warnings),
            "seconds": round(seconds, 4),
            "fps": round((len(sources) - len(warnings)) / seconds, 2),
            "backend": self.engine.backend,
            "device": self.engine.device,
            "precision": self.engine.precision,
            "notes": list(self.engine.notes),
            "warnings": warnings,
        }

    def image(self, rgb: np.ndarray, *, strength: float = 1.0, keep_color: bool = False) -> np.ndarray:
        """Restyle a picture.

        Args:
            rgb: (H, W, 3) uint8 RGB.
            strength, keep_color: as for `video`.

        Returns:
            the same shape and type.
        """
        return next(self.frames([rgb], strength=strength, keep_color=keep_color))

    def frames(
        self, pictures: Iterable[np.ndarray], *, strength: float = 1.0, keep_color: bool = False
    ) -> Iterator[np.ndarray]:
        """Restyle pictures one after the other, lazily, in batches of the engine's size.

        Args:
            pictures: (H, W, 3) uint8 RGB each; sizes may change.
            strength, keep_color: as for `video`.

        Yields:
            one picture for each, in order, of the same shape and type.

        Raises:
            InputError: something is not such a picture, or strength is not in 0..1.
        """
        from realtime.media.stills import frame_from_rgb, rgb_from_frame

        _check_strength(strength)
        source = iter(pictures)
        while pictures_now := list(islice(source, self.engine.batch)):
            group: list[Frame] = []
            for picture in pictures_now:
                frame = frame_from_rgb(_checked(picture))
                if group and not group[0].fits_with(frame):
                    yield from map(rgb_from_frame, self.engine.stylize(group, strength=strength, keep_color=keep_color))
                    group = []
                group.append(frame)
            yield from map(rgb_from_frame, self.engine.stylize(group, strength=strength, keep_color=keep_color))


class _Clock:
    def __init__(self) -> None:
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began


def _check_strength(strength: float) -> None:
    if not 0 <= strength <= 1:
        raise InputError(f"strength {strength}: must be between 0 and 1")


def _checked(picture: np.ndarray) -> np.ndarray:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or 0 in picture.shape:
        raise InputError(f"a picture must be (height, width, 3) uint8 RGB, not {picture.shape} {picture.dtype}")
    return picture
