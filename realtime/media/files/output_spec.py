"""What is to be written: decided, and refused where it cannot be done, before any work and before a file is made."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime.errors import InputError
from realtime.frames import ColorTags
from realtime.media.convert.geometry import shape
from realtime.media.files import encoders
from realtime.media.files.containers import CONTAINERS, KNOWN_EXTENSIONS, Container
from realtime.media.files.surfaces import AUTO_SURFACE_ENCODERS, CudaSurfaces

if TYPE_CHECKING:
    from realtime.media.files.reader import VideoReader

_LOOSE_CLOCKS = frozenset({"mpegts", "mpeg", "hls"})
"""Containers whose clock may begin at any time."""
_FALLBACK_RATE = Fraction(30)
_FINEST_RATE = Fraction(1000)
_GIF_CLOCK = Fraction(1, 100)
_MPEG4_MAX_DENOMINATOR = 65535
_KEY_SECONDS = 2
_CHROMA_LOCATIONS = ("unspecified", "left", "center", "topleft", "top", "bottomleft", "bottom")


@dataclass(frozen=True, kw_only=True)
class SourceVideo:
    """The video whose frames are written, as far as the output depends on it.

    Attributes:
        path: its file, which the output must not replace; or what it comes from, in words.
        width, height: of the frames, in pixels.
        time_base: of the frames.
        color: of the frames.
        color_range: FFmpeg's number of the range to be tagged: 0 none, 1 limited, 2 full.
        rate: frames per second, on average.
        finest_rate: frames per second of which all times are multiples; None where unknown.
        aspect: width of a pixel over its height; None where unspecified.
        display_matrix: nine integers by which players turn the picture; None for none.
        bit_depth: bits per sample of the source.
        clock_start: seconds at which the clock of all streams begins, where that is arbitrary; else 0.
        first_time: time of the first picture in seconds.
        frames: how many pictures there are, by the file's header; None where unknown.
        shown: seconds for which the video is shown, by its header; None where unknown.
        end: seconds at which the video ends, by the file's header; None where unknown.
    """

    path: Path
    width: int
    height: int
    time_base: Fraction
    color: ColorTags
    color_range: int
    rate: Fraction = _FALLBACK_RATE
    finest_rate: Fraction | None = None
    aspect: Fraction | None = None
    display_matrix: tuple[int, ...] | None = None
    bit_depth: int = 8
    clock_start: Fraction = Fraction(0)
    first_time: Fraction = Fraction(0)
    frames: int | None = None
    shown: float | None = None
    end: float | None = None

    @classmethod
    def of(cls, reader: VideoReader) -> SourceVideo:
        """The video that a reader decodes."""
        info, streams = reader.info, reader.container.streams
        finest = streams[info.video_index].base_rate
        tagged = info.tagged_range or info.pix_fmt.startswith(("rgb", "bgr", "gbr"))  # RGB was converted
        whole = not reader.is_cut
        loose = whole and bool(_LOOSE_CLOCKS & set(info.formats))
        return cls(
            path=Path(reader.path),
            width=reader.width,
            height=reader.height,
            time_base=reader.time_base,
            color=info.color,
            color_range=2 if info.color.range == "full" else int(tagged),
            rate=info.average_rate or _FALLBACK_RATE,
            finest_rate=Fraction(finest) if finest else None,
            aspect=reader.sample_aspect_ratio,
            display_matrix=info.display_matrix,
            bit_depth=info.bit_depth,
            clock_start=Fraction(info.container_start).limit_denominator(90000) if loose else Fraction(0),
            first_time=Fraction(info.start_time).limit_denominator(90000) if whole else Fraction(0),
            frames=info.frames,
            shown=info.shown if whole else None,
            end=info.container_start + info.duration if whole and len(streams) == 1 and info.duration else None,
        )


class OutputSpec:
    """What is to be written.

    Attributes:
        path: the file.
        source: where the frames come from.
        format: FFmpeg's name of the container.
        holds: what the container can hold.
        encoder: FFmpeg's name of the video encoder.
        pix_fmt: the pixel format that is encoded.
        shape: how frames become the pictures that are encoded.
        time_base: seconds per unit of the pictures' times.
        growing: the file is written under its own name, and can be played before it is complete.
        surfaces: the device whose frames the encoder takes without a copy; None for none.
        notes: what differs from the source, in words.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        source: SourceVideo,
        *,
        encoder: str = "auto",
        quality: float | None = None,
        overwrite: bool = False,
        growing: bool = False,
        surfaces: CudaSurfaces | None = None,
    ) -> None:
        """Decide how frames are written into a file.

        Args:
            path: the file to be; its extension names the container.
            source: where the frames come from.
            encoder: "auto", or FFmpeg's name of a video encoder.
            quality: the encoder's own quality number (CRF for libx264: 0 best, 51 worst); None for a good default.
            overwrite: replace a file that exists.
            growing: see above.
            surfaces: a device on which frames may stay: "auto" then takes its encoder where it can be opened.

        Raises:
            InputError: the output cannot be made as asked; the message says why and what to do.
        """
        self.path, self.source, self.growing = Path(path), source, growing
        self.notes: list[str] = []
        self._check_target(overwrite=overwrite)
        with self._trial() as container:
            self.format = str(container.format.name)
            self.holds = CONTAINERS.get(self.format, Container())
            if growing and self.holds.growing is None:
                raise self._refusal("cannot be played before it is complete; record to .mkv, .mp4, .mov or .webm")
            name = encoder if encoder != "auto" else self._automatic(surfaces)
            self._codec = encoders.check_encoder(name)
            self.encoder = str(self._codec.name)
            self.shape = shape(
                source.width,
                source.height,
                source.aspect,
                source.display_matrix,
                suffix=self.path.suffix,
                keeps_rotation=self.holds.rotation,
                keeps_mirroring=self.holds.mirroring,
                keeps_aspect=self.holds.aspect or self._codec.canonical_name in encoders.CODES_ASPECT,
            )
            self.notes.extend(self.shape.notes)
            width, height = self.shape.width, self.shape.height
            self.pix_fmt = self._pix_fmt(name)
            known = self._known_options(container)
        self._settings = encoders.encoder_settings(
            self.encoder, quality, known=known, width=width, height=height, rate=float(source.rate)
        )
        self.time_base = self._time_base()
        if self.pix_fmt == "yuv444p" and self._codec.canonical_name in encoders.EVEN_SIZES:
            self.notes.append(f"{width}x{height} is odd: encoded as 4:4:4, which not every player shows")
        if source.bit_depth > 8:
            self.notes.append(f"the source's {source.bit_depth} bits a sample become 8")
        changed = self.shape.stretch is not None or self.shape.transposed or self.shape.mirrored or self.shape.flipped
        as_it_is = not (changed or source.width % 2 or source.height % 2)
        self.surfaces = surfaces if surfaces is not None and surfaces.takes(self.encoder) and as_it_is else None

    def _refusal(self, why: str) -> InputError:
        return InputError(f"{self.path}: {self.path.suffix} {why}")

    def _check_target(self, *, overwrite: bool) -> None:
        target, folder = self.path, self.path.parent
        if target.is_dir():
            raise InputError(f"{target}: is a folder; name a file")
        if not folder.is_dir():
            raise InputError(f"{target}: the folder {folder} does not exist")
        if target.exists():
            with contextlib.suppress(OSError):
                if os.path.samefile(self.source.path, target):
                    raise InputError(f"{target}: is the input itself; name another output")
            if not overwrite:
                raise InputError(f"{target}: exists; use --overwrite to replace it")
        if not os.access(folder, os.W_OK):
            raise InputError(f"{target}: the folder {folder} cannot be written to")
        if not target.suffix:
            raise InputError(f"{target}: needs an extension that names the container, such as {KNOWN_EXTENSIONS}")

    @contextlib.contextmanager
    def _trial(self) -> Iterator[Any]:
        """A PyAV container as the output will be. Nothing is written to the disk."""
        import av
        import av.error

        try:
            container = av.open("file:" + os.fspath(self.path), mode="w")
        except (ValueError, av.error.FFmpegError):
            raise self._refusal(f"is the extension of no known container; use one of {KNOWN_EXTENSIONS}") from None
        with container:
            yield container

    def _automatic(self, surfaces: CudaSurfaces | None) -> str:
        """The encoder that suits the container: the device's where it can be used."""
        software = self.holds.encoder
        if not software:
            raise self._refusal(f"does not hold video as we write it; use {KNOWN_EXTENSIONS}")
        on_device = AUTO_SURFACE_ENCODERS.get(software)
        if surfaces is None or on_device is None:
            return software
        problem = surfaces.encoder_problem(on_device, self.source.width, self.source.height)
        if not problem:
            return on_device
        self.notes.append(f"encoded in software ({software}), not on the GPU: {on_device}: {problem}")
        return software

    def _pix_fmt(self, name: str) -> str:
        width, height = self.shape.width, self.shape.height
        if min(width, height) < encoders.SMALLEST_SIDE.get(self.encoder, 0):
            raise InputError(f"encoder {name!r} crashes on pictures as small as {width}x{height}; use libx264")
        if self.encoder == "gif":
            return "pal8"
        pix_fmt = encoders.choose_pix_fmt(self._codec, width=width, height=height)
        if pix_fmt is None:
            raise InputError(f"encoder {name!r} takes no 4:2:0 video of {width}x{height}; try libx264")
        return pix_fmt

    def _known_options(self, container: Any) -> frozenset[str]:
        """Names of the encoder's options. Adding it to the container finds out whether that can hold its codec."""
        try:
            context = container.add_stream(self.encoder).codec_context
        except ValueError:
            raise self._refusal(
                f"cannot hold {self._codec.canonical_name} video; use another extension, such as .mkv, or another of "
                f"the encoders {encoders.video_encoder_list()}"
            ) from None
        return frozenset(option.name for option in context.supported_options.private)

    def _time_base(self) -> Fraction:
        source, suffix = self.source, self.path.suffix
        if self.holds.fixed_rate:  # fine enough for all of the source's times, within reason
            rate = min(source.finest_rate, _FINEST_RATE) if source.finest_rate else source.rate
            self.notes.append(f"{suffix} has one frame rate: times are rounded to {float(rate):g} fps")
            return 1 / rate
        if self.encoder == "gif":
            self.notes.append(f"{suffix} has a clock of 100 ticks a second, and 256 colours a picture")
            return _GIF_CLOCK
        if self._codec.canonical_name == "mpeg4" and source.time_base.denominator > _MPEG4_MAX_DENOMINATOR:
            return Fraction(1, 60000)
        return source.time_base

    @property
    def step(self) -> int:
        """The usual time between two pictures, in units of `time_base`."""
        return 1 if self.holds.fixed_rate else max(1, round(1 / (self.source.rate * self.time_base)))

    @property
    def shift(self) -> Fraction:
        """Seconds that are subtracted from all times of the source."""
        return self.source.first_time if self.holds.fixed_rate else self.source.clock_start

    @property
    def muxer_options(self) -> dict[str, str]:
        """Options of the container."""
        if not self.growing:
            return dict(self.holds.options)
        # Sound that is missing must not keep pictures from the disk: FFmpeg would wait ten seconds for it.
        at_once = {"flush_packets": "1", "max_interleave_delta": "500000"}
        return {**self.holds.options, **(self.holds.growing or {}), **at_once}

    @property
    def color_tags(self) -> dict[str, int]:
        """Colour tags of the encoder and of its pictures, by PyAV's names."""
        color, color_range = self.source.color, self.source.color_range
        codes = {"colorspace": color.space, "color_primaries": color.primaries, "color_trc": color.transfer}
        return {"color_range": color_range, **codes}

    def add_stream(self, container: Any, *, accelerator: Any = None) -> Any:
        """Add a video stream with this encoder and its settings to a PyAV container that has not been started.

        `accelerator` is PyAV's `HWAccel` where the encoder takes surfaces.
        """
        stream = container.add_stream(self.encoder, rate=self.source.rate, hwaccel=accelerator)
        stream.time_base = self.time_base
        for name, value in self._attributes().items():
            setattr(stream.codec_context, name, value)
        return stream

    def open_encoder(self) -> Any:
        """A context of the encoder by itself, whose packets the output takes."""
        with self._trial() as container:
            return self.add_stream(container).codec_context

    def _attributes(self) -> dict[str, Any]:
        """Attributes of the encoder's context."""
        location, options = self.source.color.chroma_location, dict(self._settings.options)
        attributes = {
            "width": self.shape.width,
            "height": self.shape.height,
            "pix_fmt": self.pix_fmt,
            "thread_count": 0,
            "thread_type": "AUTO",
            **self._settings.attributes,
            "time_base": self.time_base,
            **self.color_tags,
        }
        if self.growing:
            options.update(encoders.immediate_options(self.encoder))
            attributes.update(max_b_frames=0, gop_size=round(_KEY_SECONDS * self.source.rate))
        if self.holds.fixed_rate:  # it has no presentation times either: pictures must come in the order of showing
            attributes["max_b_frames"] = 0
        if location:
            options["chroma_sample_location"] = _CHROMA_LOCATIONS[location]
        if self.shape.aspect:
            attributes["sample_aspect_ratio"] = self.shape.aspect
        return {**attributes, "options": options}
