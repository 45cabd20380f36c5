"""Reading a video file: its pictures as frames, and the packets of its other streams for a writer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Literal, get_args

from realtime.errors import InputError, MediaError, RestyleError
from realtime.frames import Frame
from realtime.media.convert.hdr import hdr_kind
from realtime.media.files.decoder import PictureDecoder, PictureTimes
from realtime.media.files.demuxer import Demuxer
from realtime.media.files.frame_converter import FrameConverter
from realtime.media.files.packet_queue import PacketQueue
from realtime.media.files.probe import MediaInfo, probe
from realtime.media.files.selection import Selection, output_shape
from realtime.media.files.side_packets import SidePackets
from realtime.media.files.surfaces import CudaSurfaces, surface_obstacle
from realtime.options import Decoder, Hdr


class VideoReader:
    """Decodes the video of a file into `Frame`s, in order, each exactly once.

    Frames of 8-bit 4:2:0 sources are strided views of the decoder's own buffers: they stay valid for as long as they
    are held, also after the reader is closed, and must not be written to. Any other pixel format is converted, once, to
    8-bit 4:2:0 with the matrix and range of the source (RGB: limited-range BT.709).

    One thread reads; another may take the packets.

    Attributes:
        path: the file, as given.
        time_base: seconds per unit of the frames' pts.
        is_cut: whether only a range is read; then times begin at 0.
        total_frames: an estimate of how many frames will be read; None where nothing tells.
        decoder: "cuda" where pictures are decoded on the device and stay there as `SurfaceFrame`s; else "software".
        info: what `probe` says of the file; its colour is that of the frames.
        width, height: size of the frames.
        sample_aspect_ratio: pixel aspect of the frames; None where unspecified.
        packets: those of the streams that the writer asked for.
        warnings: what went wrong without stopping the work, in words; complete once the iteration has ended.
        notes: what was done to the pictures beyond copying their planes, in words; complete then, too.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        start: float | None = None,
        end: float | None = None,
        size: int | tuple[int, int] | None = None,
        threads: int = 0,
        hdr: Hdr = "tonemap",
        decoder: Decoder = "auto",
        surfaces: CudaSurfaces | None = None,
        part: tuple[int | None, int | None] | None = None,
    ) -> None:
        """Open a file.

        Args:
            path: a file with a video stream.
            start, end: seconds after the first picture; only frames with start <= time < end are read, and their times
                begin at 0.
            size: the shorter side in pixels (the aspect is kept, both sides become even), or (width, height) as
                shown, that is after rotation; then the pixel aspect changes so that the shape shown stays.
            threads: decoder threads, 0 for as many as there are cores.
            hdr: "tonemap" converts PQ and HLG to SDR in bt709, "error" refuses them.
            decoder: "cuda" decodes on the device of `surfaces`; "auto" does where that works, and else in software.
            surfaces: the device on which pictures may stay; None decodes in software.
            part: only pictures with first <= pts < stop are read, in units of the stream's time base (None: from the
                beginning, and to the end). They keep their times.

        Raises:
            MediaError: the file cannot be read, holds no picture, or is HDR and that was refused.
            InputError: the range or the size is impossible, or the decoder that was asked for cannot be used.
        """
        info = probe(path)
        self._selection = Selection(info, start or 0.0, end, part)
        self.path, self.time_base = info.path, info.time_base
        self.is_cut, self.total_frames = self._selection.is_cut, self._selection.total_frames()
        kind = hdr_kind(info.color.transfer)
        if kind is not None and hdr == "error":
            name = os.fspath(path)
            raise MediaError(f"{name}: is HDR ({kind}), and --hdr error keeps it out; --hdr tonemap makes it SDR")
        self.width, self.height, self.sample_aspect_ratio = output_shape(info, size)
        self.packets = PacketQueue()
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self._begun = self._closed = False

        there = self._open(info, decoder, surfaces, threads)
        self.decoder: Literal["software", "cuda"] = "software" if there is None else "cuda"
        self._converter = FrameConverter(info, self.width, self.height, there)
        self.info: MediaInfo = self._converter.info
        self.notes += self._converter.first_notes()

    def _open(
        self, info: MediaInfo, wanted: Decoder, surfaces: CudaSurfaces | None, threads: int
    ) -> CudaSurfaces | None:
        """Open the file, and return the device that decodes it; None where that is software."""
        if wanted not in get_args(Decoder):
            raise InputError(f"decoder {wanted!r}: choose {', '.join(get_args(Decoder))}")
        if wanted != "software":
            why = "it needs the torch backend on a CUDA device, and pictures as they are"
            if surfaces is not None:
                why = self._open_on_device(info, surfaces)
                if not why:
                    return surfaces
                self.notes.append(f"decoded in software, not on the GPU: {why}")
            if wanted == "cuda":
                raise InputError(f"{info.path}: --decoder cuda: {why}; --decoder software decodes it")
        self._demuxer = Demuxer(info, threads=threads)
        return None

    def _open_on_device(self, info: MediaInfo, surfaces: CudaSurfaces) -> str:
        """Open the file for the device's decoder, or say why that cannot be."""
        why = surface_obstacle(info, scaled=(self.width, self.height) != (info.width, info.height))
        if why:
            return why
        try:
            self._demuxer = Demuxer(info, surfaces=surfaces)
        except RestyleError as error:
            return str(error)
        if surfaces.decodes(self._demuxer.stream):
            return ""
        self._demuxer.release()
        return f"the GPU has no decoder for {info.codec}"

    @property
    def container(self) -> Any:
        """The PyAV container, for the writer to copy stream parameters from."""
        return self._demuxer.container

    def chapters(self) -> list[dict[str, Any]]:
        """Chapters of the range, as PyAV's dictionaries, on the clock of the frames."""
        return self._selection.chapters(self.container.chapters())

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Frames that were handed out stay valid."""
        if not self._closed:
            self._closed = True
            self._converter.close()
            self._demuxer.release()

    def retain(self) -> None:
        """Keep the file open until `release`, even past `close`: queued packets refer to its streams."""
        self._demuxer.retain()

    def release(self) -> None:
        """Undo one `retain`."""
        self._demuxer.release()

    def __iter__(self) -> Iterator[Frame]:
        """Frames in the order of showing. A reader can be iterated once.

        Raises:
            MediaError: no picture can be decoded, or none is in the range.
        """
        if self._begun:
            raise RuntimeError("a VideoReader can be read once; open the file again")
        self._begun = True
        return self._read()

    def _read(self) -> Iterator[Frame]:
        base, video = self.info.time_base, self.info.video_index
        begin, stop = self._selection.bounds()
        side = SidePackets(self.packets, cut=self.is_cut, stop=None if stop is None else stop * base)
        if begin is not None:
            self._demuxer.seek(begin)
        decoder = PictureDecoder(self._demuxer.stream, on_device=self.decoder == "cuda")
        times = PictureTimes(self.info)
        origin: int | None = None if self.is_cut else 0
        last_end: Fraction | None = None
        packets = self._demuxer.packets(self.packets.wanted)
        for packet in packets:
            if packet.stream_index != video:
                side.put(packet)
                continue
            for picture in decoder.pictures(packet):
                pts, duration = times.of(picture)
                side.offset = times.offset * base
                if begin is not None and pts < begin:
                    continue
                if stop is not None and pts >= stop:
                    side.finish(packets, video, self._demuxer.indices("audio"))
                    break
                if origin is None:
                    origin = pts
                    side.begin(pts * base)
                last_end = (pts + duration) * base
                yield self._converter.frame(picture, pts - origin, duration)
            else:
                continue
            break
        self._conclude(decoder, times, side.latest, last_end)

    def _conclude(
        self, decoder: PictureDecoder, times: PictureTimes, latest: Fraction, last_end: Fraction | None
    ) -> None:
        """Complete notes and warnings after the last picture."""
        name, whole = os.fspath(self.info.path), self._selection.is_whole
        if last_end is None:
            if self.is_cut:
                start, end = self._selection.start, self._selection.end
                raise MediaError(f"{name}: holds no picture between {start} s and {end or 'the end'} s")
            raise MediaError(f"{name}: not one picture of its video can be decoded; is the file damaged?")
        self.notes += [*decoder.notes(), *self._converter.last_notes()]
        problems = [
            *decoder.problems(self.info.codec, whole=whole),
            *times.problems(),
            *self._demuxer.problems(),
            *self._converter.problems(),
        ]
        if whole and not self._demuxer.jumps:
            problems += self._missing(decoder, float(last_end), float(latest))
        self.warnings += [f"{name}: {problem}" for problem in problems]

    def _missing(self, decoder: PictureDecoder, last_end: float, latest: float) -> Iterator[str]:
        """What the file's header promises and did not come, in words.

        `last_end` and `latest` are where the pictures and the other packets end, in seconds on the file's clock.
        """
        stream = self._demuxer.stream
        promised = stream.frames - decoder.hidden
        if 0 < decoder.pictures_out < promised:
            yield f"{promised - decoder.pictures_out} of {promised} pictures could not be read"
            return
        if stream.duration:
            expected, reached = float(stream.duration * self.info.time_base), last_end - self.info.start_time
            slack = max(1.0, 0.05 * expected)
        elif (self._demuxer.indices("audio") | self._demuxer.indices("subtitle")) - self.packets.wanted:
            return  # the stream that reaches furthest may be one that was not read
        else:
            # Only the length of the whole file is known: the stream that reaches furthest must come near it.
            expected = self.info.duration or 0.0
            reached = max(last_end, latest) - self.info.container_start
            slack = max(0.3, 0.05 * expected)
        if reached < expected - slack:
            yield f"it ends at {reached:.2f} s of {expected:.2f} s; the file seems to be cut off"
