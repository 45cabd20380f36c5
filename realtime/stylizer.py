"""The public object: load a style once, then stylise files, pictures, and frames."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from realtime import pipeline
from realtime.engines.base import Backend, Engine, OnDevice, Overlapping, Precision, Trace, Traceable
from realtime.engines.tiling import MOST_PIXELS, is_large, settled_engine, stylize_in_tiles
from realtime.errors import DeviceLost, DiskFull, InputError, RestyleError
from realtime.frames import Frame
from realtime.transnet.checkpoint import load_checkpoint
from realtime.transnet.gallery import find_style

if TYPE_CHECKING:
    from realtime.media.files.resumable import Part
    from realtime.transnet.network import TransNet

Hdr = Literal["tonemap", "error"]
Decoder = Literal["auto", "software", "cuda"]


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
        style: a name from the gallery (`realtime.styles()`), or the path of a checkpoint or of an ONNX file.
        backend: what runs the network: "torch", "onnx" or "openvino"; "auto" takes the fastest there is, by a short
            measurement that is kept (see `realtime.engines.choice`).
        device: "auto", "cpu", "cuda", "cuda:N" or "mps"; for backend "onnx" also "tensorrt", "coreml", "directml" or
            "openvino".
        precision: "auto" (on a CPU the fastest of int8, where that does not show, bf16 and fp32; fp16 on GPUs), "fp32",
            "fp16", "bf16" or "int8".
        batch: frames at once through the network; None lets the engine choose.
        threads: of the network on the CPU; None lets the engine choose.
        faithful: precision "auto" leaves int8 out: for stills, where nobody waits, and for measuring a style.

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
        faithful: bool = False,
    ) -> None:
        from realtime.engines.choice import load_engine

        path = self._file = find_style(style)
        self._threads = threads
        self._network: TransNet | None = None
        self.engine, self.style = load_engine(
            path,
            backend=backend,
            device=device,
            precision=precision,
            batch=batch,
            threads=threads,
            faithful=faithful,
        )

    @property
    def foreign(self) -> bool:
        """Whether the network is an ONNX file that restyle has not made: of its architecture nothing is known."""
        return getattr(self.engine, "foreign", False)

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
        resume: bool = False,
        skip_existing: bool = False,
        hdr: Hdr = "tonemap",
        decoder: Decoder = "auto",
        parts: bool = False,
        progress: Callable[[Progress], None] | None = None,
        cancel: threading.Event | None = None,
        trace: Trace | None = None,
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
            resume: keep what is done in a folder beside the output until it is complete, and go on from there.
            skip_existing: do nothing where the output exists.
            hdr: what becomes of PQ and HLG: "tonemap" makes them SDR in bt709, "error" refuses them.
            decoder: "software", "cuda" (frames are decoded on the GPU and stay there), or "auto": on the GPU where
                that works.
            parts: with `resume`, what other processes have made of it is kept also with `overwrite` (`paint_part`).
            progress: called about ten times a second, in this thread.
            cancel: set it to end the run early; nothing is left then.
            trace: told of each piece of work ("open", "decode", "infer", "paint", "encode", "finish"), by the thread
                that did it; see `realtime.benchmark.trace`. An engine's workers tell one listener at a time.

        Returns:
            input, output, style, frames, seconds (wall), fps, backend, device, precision, decoder ("software", "cuda"),
            encoder, audio_streams, stages ({"decode" | "infer" | "encode": {"busy_seconds", "fps"}}), copied,
            converted, dropped, notes, warnings (lists of words), resumed (frames that an earlier run had done) and
            skipped (with `skip_existing`).

        Raises:
            InputError: a file or an option is wrong; nothing was written.
            DiskFull: the output does not fit; with `resume`, what is done is kept.
            RestyleError: the work failed; nothing is left of the output, unless it can be resumed.
        """
        from realtime.media.files.disk_space import check_space, estimate
        from realtime.media.files.image_sequence import SequenceWriter, is_sequence
        from realtime.media.files.reader import VideoReader
        from realtime.media.files.resumable import ResumableWriter, work_folder
        from realtime.media.files.surfaces import CudaSurfaces
        from realtime.media.files.writer import VideoWriter

        _check_strength(strength)
        if skip_existing and Path(output).is_file():
            return self._skipped(input, output)
        began = time.perf_counter()
        warnings, notes = [], []
        surfaces = None
        if isinstance(self.engine, OnDevice):
            surfaces = CudaSurfaces(self.engine.index, self.engine.bind)
        # Where somebody looks at the source on the CPU, it is decoded there.
        source = None if compare and decoder == "auto" else surfaces
        with VideoReader(
            input, start=start, end=end, size=parse_size(size), hdr=hdr, decoder=decoder, surfaces=source
        ) as reader:
            total = reader.total_frames
            large = reader.width * reader.height > MOST_PIXELS
            if large:
                how = "in tiles" if self._can_tile else "whole, for which it takes much memory"
                if self._can_tile and self.style.architecture.norm != "instance":
                    how += ", which changes nothing"
                notes.append(f"{reader.width}x{reader.height}: the network paints it {how}")
            share = min(1.0, total / reader.info.frames) if total and reader.info.frames else 1.0
            needed = estimate(reader.info, width=reader.width, height=reader.height, frames=total, share=share)
            if warning := check_space(Path(output), needed, copies=2 if resume else 1):
                warnings.append(warning)
            if not resume and work_folder(output).is_dir():
                notes.append(f"{work_folder(output)}: holds unfinished work on this output, which --resume continues")

            paint = self._painter(strength=strength, keep_color=keep_color, compare=compare)
            work: Callable[[list[Frame]], pipeline.Future[Frame]]
            writer: VideoWriter | SequenceWriter
            if is_sequence(output):
                if resume:
                    raise InputError(f"{output}: images cannot be resumed; leave --resume out")
                writer = SequenceWriter(output, reader, overwrite=overwrite)
                resumed, work = 0, paint
            elif resume:
                job = self._job(strength, keep_color, compare, start, end, hdr)
                writer = ResumableWriter(
                    output,
                    reader,
                    job=job,
                    encoder=encoder,
                    quality=quality,
                    overwrite=overwrite,
                    anew=overwrite and not parts,
                )
                resumed = writer.frames_done
                work = _After(resumed, paint)
            else:
                writer = VideoWriter(
                    output,
                    reader,
                    encoder=encoder,
                    quality=quality,
                    overwrite=overwrite,
                    surfaces=None if compare or large else surfaces,
                )
                resumed, work = 0, paint
            with (
                writer,
                _listening(self.engine, trace),
                _staying(self.engine, isinstance(writer, VideoWriter) and writer.takes_surfaces),
            ):
                clock = _Clock()
                if trace is not None:
                    trace("open", (), began, time.perf_counter())
                report = pipeline.run(
                    reader,
                    work,
                    writer.write,
                    # A few very large frames fill the memory: fewer of them are under way.
                    batch=1 if large else self.engine.batch,
                    ahead=self.engine.ahead if isinstance(self.engine, Overlapping) and not large else 0,
                    depth=1 if large else 4,
                    fits=Frame.batches_with,
                    progress=None if progress is None else lambda n: progress(Progress(n, total, clock.seconds)),
                    cancel=cancel,
                    trace=trace,
                )
                began = time.perf_counter()
                written = writer.finish()
                seconds = clock.seconds
                if trace is not None:
                    trace("finish", (), began, time.perf_counter())
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
            "decoder": reader.decoder,
            "encoder": written.encoder,
            "audio_streams": written.audio_streams,
            "stages": stages,
            "copied": written.copied,
            "converted": written.converted,
            "dropped": written.dropped,
            "notes": [*self.engine.notes, *reader.notes, *written.notes, *notes],
            "warnings": [*reader.warnings, *warnings],
            "resumed": resumed,
            "skipped": False,
        }

    def _job(
        self, strength: float, keep_color: bool, compare: bool, start: float | None, end: float | None, hdr: Hdr
    ) -> dict[str, Any]:
        """What the pictures of an output depend on, beside its source and its encoder."""
        return {
            "style": hashlib.sha256(self._file.read_bytes()).hexdigest(),
            "engine": [self.engine.backend, self.engine.precision],
            "strength": strength,
            "keep_color": keep_color,
            "compare": compare,
            "start": start,
            "end": end,
            "hdr": hdr,
        }

    def _painter(
        self, *, strength: float, keep_color: bool, compare: bool
    ) -> Callable[[list[Frame]], pipeline.Future[Frame]]:
        """The work of the pipeline's second stage."""
        from realtime.media.convert.split_screen import compare as split_screen

        def paint(frames: list[Frame]) -> pipeline.Future[Frame]:
            wait = self._begin(frames, strength=strength, keep_color=keep_color)
            if not compare:
                return pipeline.Future(wait)
            return pipeline.Future(lambda: [split_screen(a, b) for a, b in zip(frames, wait(), strict=True)])

        return paint

    def plan_parts(
        self,
        input: str | Path,
        output: str | Path,
        processes: int,
        *,
        strength: float = 1.0,
        keep_color: bool = False,
        size: str | int | tuple[int, int] | None = None,
        encoder: str = "auto",
        quality: float | None = None,
        compare: bool = False,
        overwrite: bool = False,
        resume: bool = False,
        hdr: Hdr = "tonemap",
    ) -> tuple[list[Part], int]:
        """Begin the work on an output that several processes will share, by `paint_part` and then `video`.

        Args:
            processes: how many there will be.
            resume: keep earlier work; else it is thrown away.
            others: as for `video`.

        Returns:
            what is to be made before the parts are joined, and how many pictures earlier work has made of it.

        Raises:
            Unclear: where a picture stands cannot be told beforehand.
            InputError: as for `video`.
        """
        from realtime.media.files.frame_times import picture_times
        from realtime.media.files.reader import VideoReader
        from realtime.media.files.resumable import FRAMES, ResumableWriter, split

        _check_strength(strength)
        with VideoReader(input, size=parse_size(size), hdr=hdr, decoder="software") as reader:
            times = picture_times(input, reader.info)
            job = self._job(strength, keep_color, compare, None, None, hdr)
            writer = ResumableWriter(
                output,
                reader,
                job=job,
                encoder=encoder,
                quality=quality,
                overwrite=overwrite,
                anew=overwrite or not resume,
            )
            try:
                parts = split(times, processes, writer.has)
                done = sum(writer.has(number) for number in range(len(times) // FRAMES))
            finally:
                writer.leave()
        return parts, done * FRAMES

    def paint_part(
        self,
        input: str | Path,
        output: str | Path,
        part: Part,
        *,
        strength: float = 1.0,
        keep_color: bool = False,
        size: str | int | tuple[int, int] | None = None,
        encoder: str = "auto",
        quality: float | None = None,
        compare: bool = False,
        overwrite: bool = False,
        hdr: Hdr = "tonemap",
        decoder: Decoder = "auto",
        progress: Callable[[Progress], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> dict[str, Any]:
        """Make one part of an output that `plan_parts` has begun; `video` with `resume` and `parts` joins them.

        Args:
            part: what to make.
            others: as for `video`, and for `plan_parts`.

        Returns:
            frames, stages, decoder and notes, as `video` does.

        Raises:
            RestyleError: as for `video`. The fragments that are finished are kept.
        """
        from realtime.media.files.reader import VideoReader
        from realtime.media.files.resumable import PartWriter
        from realtime.media.files.surfaces import CudaSurfaces

        clock = _Clock()
        surfaces = None
        if isinstance(self.engine, OnDevice) and not (compare and decoder == "auto"):
            surfaces = CudaSurfaces(self.engine.index, self.engine.bind)
        job = self._job(strength, keep_color, compare, None, None, hdr)
        span = part.begin, part.stop
        with (
            VideoReader(input, size=parse_size(size), hdr=hdr, decoder=decoder, surfaces=surfaces, part=span) as reader,
            PartWriter(
                output, reader, job=job, first=part.first, encoder=encoder, quality=quality, overwrite=overwrite
            ) as writer,
        ):
            large = reader.width * reader.height > MOST_PIXELS
            report = pipeline.run(
                reader,
                self._painter(strength=strength, keep_color=keep_color, compare=compare),
                writer.write,
                batch=1 if large else self.engine.batch,
                ahead=self.engine.ahead if isinstance(self.engine, Overlapping) and not large else 0,
                depth=1 if large else 4,
                fits=Frame.batches_with,
                progress=None if progress is None else lambda n: progress(Progress(n, None, clock.seconds)),
                cancel=cancel,
            )
            frames = writer.finish().frames
        return {
            "frames": frames,
            "stages": {name: {"busy_seconds": s.busy_seconds, "frames": s.frames} for name, s in report.stages.items()},
            "decoder": reader.decoder,
            "notes": [*self.engine.notes, *reader.notes],
        }

    def _begin(self, frames: Sequence[Frame], *, strength: float, keep_color: bool) -> Callable[[], Sequence[Frame]]:
        """Stylise frames beside others where the engine can, and at once where it cannot, or they take tiles."""
        if isinstance(self.engine, Overlapping) and not self._tiled(frames[0]):
            return self.engine.begin(frames, strength=strength, keep_color=keep_color)
        styled = self._stylize(frames, strength=strength, keep_color=keep_color)
        return lambda: styled

    def _stylize(self, frames: Sequence[Frame], *, strength: float, keep_color: bool) -> Sequence[Frame]:
        """Stylise frames of one size, those that are very large in tiles."""
        if not self._tiled(frames[0]):
            return self.engine.stylize(frames, strength=strength, keep_color=keep_color)
        reach = self.style.architecture.reach
        return [
            stylize_in_tiles(self._tiler(frame), frame, reach=reach, strength=strength, keep_color=keep_color)
            for frame in frames
        ]

    def _tiled(self, frame: Frame) -> bool:
        return is_large(frame) and self._can_tile

    @property
    def _can_tile(self) -> bool:
        """Whether tiles can be right: not where the network looks at the whole picture and cannot be settled for one.

        That is so with ONNX files: of others' nothing is known, and ours with instance norm are not taken apart.
        """
        apart = self._file.suffix != ".onnx" or self.style.architecture.norm != "instance"
        return apart and not self.foreign

    def _tiler(self, frame: Frame) -> Engine:
        """What paints the tiles of a frame: the engine, or one whose network is settled for this frame."""
        if self.style.architecture.norm != "instance":
            return self.engine
        if self._network is None:
            self._network = load_checkpoint(self._file)[0]
        device = self.engine.device if self.engine.device.startswith(("cpu", "cuda", "mps")) else "auto"
        engine = settled_engine(self._network, frame, device=device, threads=self._threads)
        note = f"very large frames: {engine.description}, normalised by a sample of each frame"
        if note not in self.engine.notes:
            self.engine.notes.append(note)
        return engine

    def _skipped(self, input: str | Path, output: str | Path) -> dict[str, Any]:
        """The summary of a video that was not restyled, for its output is there."""
        return {
            "input": str(input),
            "output": str(output),
            "style": self.style.name,
            "frames": 0,
            "seconds": 0.0,
            "fps": 0.0,
            "backend": self.engine.backend,
            "device": self.engine.device,
            "precision": self.engine.precision,
            "decoder": "",
            "encoder": "",
            "audio_streams": 0,
            "stages": {name: {"busy_seconds": 0.0, "fps": 0.0} for name in pipeline.STAGES},
            "copied": [],
            "converted": [],
            "dropped": [],
            "notes": ["skipped: the output exists"],
            "warnings": [],
            "resumed": 0,
            "skipped": True,
        }

    def videos(
        self,
        inputs: Sequence[str | Path],
        output: str | Path,
        *,
        format: str | None = None,
        done: Callable[[dict[str, Any]], None] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Restyle several video files into a folder. One that cannot be restyled does not stop the others.

        Args:
            inputs: files, folders whose videos are taken, and patterns such as "clips/**/*.mp4".
            output: a folder, made where it is missing, that gets a file of the same name for each.
            format: the container of the results ("mkv"); None keeps each source's where it can be written, else MP4.
            done: called after each file with its entry of `videos`.
            options: as for `video`.

        Returns:
            output, style, videos (for each what `video` returns, with "status": "done" or "skipped"; or input, output,
            "status": "failed" and "error"), done, skipped, failed (numbers of them), frames, seconds, fps, backend,
            device, precision.

        Raises:
            InputError: a folder or a pattern holds no video, two results would have one name, or an option is wrong.
            Cancelled: `cancel` was set; the files that are finished stay.
        """
        from realtime.media.files.inputs import plan

        _check_strength(options.get("strength", 1.0))
        parse_size(options.get("size"))
        work = plan(inputs, output, suffix=format)
        if work.folder is not None:
            work.folder.mkdir(exist_ok=True)
        clock, results = _Clock(), []
        hopeless: DiskFull | DeviceLost | None = None
        for job in work.jobs:
            entry: dict[str, Any] = {"input": str(job.source), "output": str(job.target)}
            try:
                if hopeless is not None:
                    why = "the disk is full" if isinstance(hopeless, DiskFull) else "the GPU has failed"
                    raise type(hopeless)(f"{job.target}: not begun, for {why}")
                entry = self.video(job.source, job.target, **options)
                entry["status"] = "skipped" if entry["skipped"] else "done"
            except pipeline.Cancelled:
                raise
            except RestyleError as error:
                hopeless = hopeless or (error if isinstance(error, DiskFull | DeviceLost) else None)
                entry.update(status="failed", error=_one_line(error))
            except Exception as error:  # a fault of ours, which is one file's affair all the same
                entry.update(
                    status="failed", error=f"{job.source}: unexpected {type(error).__name__}: {_one_line(error)}"
                )
            results.append(entry)
            if done is not None:
                done(entry)
        seconds = clock.seconds
        counts = {status: sum(r["status"] == status for r in results) for status in ("done", "skipped", "failed")}
        frames = sum(r.get("frames", 0) for r in results)
        return {
            "output": str(output),
            "style": self.style.name,
            "videos": results,
            **counts,
            "frames": frames,
            "seconds": round(seconds, 4),
            "fps": round(frames / seconds, 2) if seconds > 0 else 0.0,
            "backend": self.engine.backend,
            "device": self.engine.device,
            "precision": self.engine.precision,
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
            output, style, images, failed, seconds, fps, backend, device, precision, notes (what was converted, and what
            a format could not hold), and warnings: of several pictures those that could not be read or written are
            told there, and the others are done all the same.

        Raises:
            InputError: a file or an option is wrong, or not one picture could be restyled.
        """
        from realtime.media.files import stills

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
        clock = _Clock()
        warnings: list[str] = []
        notes: list[str] = []
        for done, (source, place) in enumerate(zip(sources, targets, strict=True), 1):
            try:
                stills.check_image_target(place, overwrite=overwrite)
                picture = stills.read_picture(source)
                if wanted is not None:
                    picture = stills.resize_picture(picture, wanted)
                styled = self.image(picture.rgb, strength=strength, keep_color=keep_color)
                lost = stills.write_picture(place, replace(picture, rgb=styled), overwrite=overwrite)
                notes += [f"{source}: {note}" for note in (*picture.notes, *lost)]
            except InputError as error:
                if len(sources) == 1:
                    raise
                warnings.append(_one_line(error))
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
            "failed": len(warnings),
            "notes": [*self.engine.notes, *notes],
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
        from realtime.media.files.stills import frame_from_rgb, rgb_from_frame

        _check_strength(strength)
        source = iter(pictures)
        while pictures_now := list(islice(source, self.engine.batch)):
            group: list[Frame] = []
            for picture in pictures_now:
                frame = frame_from_rgb(_checked(picture))
                if group and not group[0].fits_with(frame):
                    yield from map(rgb_from_frame, self._stylize(group, strength=strength, keep_color=keep_color))
                    group = []
                group.append(frame)
            yield from map(rgb_from_frame, self._stylize(group, strength=strength, keep_color=keep_color))


@contextmanager
def _listening(engine: Engine, trace: Trace | None) -> Iterator[None]:
    """The engine's workers tell `trace` what they do, here."""
    if trace is None or not isinstance(engine, Traceable):
        yield
        return
    engine.trace = trace
    try:
        yield
    finally:
        engine.trace = None


@contextmanager
def _staying(engine: Engine, stay: bool) -> Iterator[None]:
    """The engine's results stay on its device, here."""
    if not stay or not isinstance(engine, OnDevice):
        yield
        return
    engine.surfaces = True
    try:
        yield
    finally:
        engine.surfaces = False


class _After:
    """Work that begins after so many frames; those before it pass as they are."""

    def __init__(self, frames: int, work: Callable[[list[Frame]], pipeline.Future[Frame]]) -> None:
        self._left, self._work = frames, work

    def __call__(self, frames: list[Frame]) -> pipeline.Future[Frame]:
        passed = min(self._left, len(frames))
        self._left -= passed
        if passed == len(frames):
            return pipeline.Future(lambda: frames)
        rest = self._work(frames[passed:])
        return pipeline.Future(lambda: [*frames[:passed], *rest.result()])


class _Clock:
    def __init__(self) -> None:
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _check_strength(strength: float) -> None:
    if not 0 <= strength <= 1:
        raise InputError(f"strength {strength}: must be between 0 and 1")


def _checked(picture: np.ndarray) -> np.ndarray:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or 0 in picture.shape:
        raise InputError(f"a picture must be (height, width, 3) uint8 RGB, not {picture.shape} {picture.dtype}")
    return picture
