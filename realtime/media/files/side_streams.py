"""Everything that goes into an output beside its video: other streams of the source, its tags and its chapters."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from realtime.media.files.muxer import Muxer
from realtime.media.files.output_spec import OutputSpec
from realtime.media.files.packet_queue import shift_packet
from realtime.media.files.probe import ATTACHED_PICTURE, codec_name
from realtime.media.files.tracks import ConvertedText, CopiedTrack, ReencodedAudio, Track, copy_tags, lasting_tags
from realtime.media.files.write_summary import WriteSummary

if TYPE_CHECKING:
    from av.packet import Packet

    from realtime.media.files.reader import VideoReader

_EXACT = Fraction(1, 1000)


class SideOutput:
    """What is written beside the video. This base class writes nothing."""

    may_be_damaged = False
    """Whether packets come from a file, so that the container may refuse some."""

    def advance(self, until: float | None, shift: Fraction) -> None:
        """Write what belongs beside the video.

        Args:
            until: the output's time in seconds up to which to write; None for all that has come.
            shift: seconds by which the output's times are earlier than the source's.
        """

    def finish(self, shift: Fraction) -> None:
        """Write the rest."""

    def close(self) -> None:
        """Give back what is held."""


class SideStreams(SideOutput):
    """The streams of a file beside its video: copied where the container can hold them, else converted or left out."""

    def __init__(self, spec: OutputSpec, reader: VideoReader, muxer: Muxer, video: Any, summary: WriteSummary) -> None:
        """Add streams, tags and chapters to an output that has not been started.

        The reader stays open until `close`, as its packets refer to its streams. `video` is the output's video stream;
        the summary is told what becomes of each stream.
        """
        self._spec, self._muxer, self._reader, self._summary = spec, muxer, reader, summary
        self._tracks: dict[int, Track] = {}
        source = reader.container
        self._has_chapters = bool(source.chapters())
        reader.retain()
        try:
            for stream in source.streams:
                if stream.index == reader.info.video_index:
                    copy_tags(stream, video)
                else:
                    self._add(stream)
            self._add_tags()
        except BaseException:
            reader.release()
            raise
        self.may_be_damaged = bool(self._tracks)
        reader.packets.want(self._tracks)

    # Before the start

    def _add(self, stream: Any) -> None:
        holds, suffix, summary = self._spec.holds, self._spec.path.suffix, self._summary
        kind, codec = stream.type, codec_name(stream)
        is_cover = kind == "video" and bool(int(stream.disposition) & ATTACHED_PICTURE)
        what = f"{'cover art' if is_cover else kind} {stream.index} ({codec})"
        if holds.video_only and kind in ("audio", "subtitle", "data"):
            summary.dropped.append(f"{what}: {suffix} holds pictures only")
        elif kind == "audio":
            self._add_audio(stream, codec, what)
        elif kind == "data" and (self._has_chapters or stream.metadata.get("timecode")):
            pass  # a chapter or time code track: it is made again from the tags
        elif self._copies(stream, codec, is_cover):
            summary.copied.append(what)
        elif kind == "subtitle" and self._convert_subtitles(stream, codec):
            summary.converted.append(f"{what} to {holds.text}")
        elif is_cover:
            summary.dropped.append(f"{what}: not kept in {suffix}")
        elif kind == "video":
            summary.dropped.append(f"{what}: only one video track is styled")
        elif kind == "subtitle":
            summary.dropped.append(f"{what}: {suffix} cannot hold it")
        else:
            summary.dropped.append(f"{what}: {suffix} cannot hold it as FFmpeg writes it")

    def _copies(self, stream: Any, codec: str, is_cover: bool) -> bool:
        """Copy a stream that is not audio, where the container can hold it."""
        holds = self._spec.holds
        if stream.type == "attachment":
            return holds.attachments and self._attach(stream)
        can = {"subtitle": codec in holds.subtitles, "data": codec in holds.data, "video": is_cover and holds.cover_art}
        return can.get(stream.type, False) and self._copy(stream)

    def _copy(self, stream: Any) -> bool:
        """Add a stream for packets to be copied to; False where the container refuses the codec."""
        import av.error

        try:
            copy = self._muxer.container.add_stream_from_template(stream, opaque=True)
        except (ValueError, av.error.FFmpegError):
            return False
        copy_tags(stream, copy)
        self._tracks[stream.index] = CopiedTrack(copy)
        return True

    def _attach(self, stream: Any) -> bool:
        name, kind = stream.name or f"attachment-{stream.index}", stream.mimetype or "application/octet-stream"
        try:
            self._muxer.container.add_attachment(name, kind, stream.data)
        except (ValueError, AttributeError):
            return False
        return True

    def _add_audio(self, stream: Any, codec: str, what: str) -> None:
        holds, suffix = self._spec.holds, self._spec.path.suffix
        copies = holds.copies_audio(codec)
        late = holds.fixed_rate and not self._begins_with_video(stream)
        if copies and not late and self._copy(stream):
            self._summary.copied.append(what)
        else:
            track = ReencodedAudio.create(
                self._muxer.container, stream, holds.audio_encoders, without_gaps=holds.fixed_rate
            )
            if track is None:
                self._summary.dropped.append(f"{what}: cannot be decoded, and {suffix} cannot hold it")
                return
            self._tracks[stream.index] = track
            lost = "when it begins" if late and copies else codec
            how = ", mixed to stereo" if track.mixed else ""
            self._summary.converted.append(f"{what} to {track.codec}{how}: {suffix} cannot hold {lost}")
        self._summary.audio_streams += 1

    def _begins_with_video(self, stream: Any) -> bool:
        """Whether a stream's clock begins with the first picture, to a millisecond."""
        if stream.start_time is None or self._reader.is_cut:
            return False
        return bool(abs(stream.start_time * Fraction(stream.time_base) - self._spec.shift) < _EXACT)

    def _convert_subtitles(self, stream: Any, codec: str) -> bool:
        holds = self._spec.holds
        if holds.text is None or not holds.converts_subtitles(codec):
            return False
        track = ConvertedText.create(self._muxer.container, stream, holds.text)
        if track is not None:
            self._tracks[stream.index] = track
        return track is not None

    def _add_tags(self) -> None:
        self._muxer.container.metadata.update(lasting_tags(self._reader.info.metadata))
        chapters = self._reader.chapters()
        if chapters and self._spec.holds.chapters:
            self._muxer.container.set_chapters(chapters)
        elif chapters:
            self._summary.dropped.append(f"{len(chapters)} chapters: {self._spec.path.suffix} cannot hold them")

    # During the work

    def advance(self, until: float | None, shift: Fraction) -> None:
        for packet in self._reader.packets.take(None if until is None else until + float(shift)):
            if shift:
                shift_packet(packet, -shift)
            track = self._tracks.get(packet.stream_index)
            if track is not None:
                self._mux(packet.stream_index, track.feed(packet))

    def finish(self, shift: Fraction) -> None:
        self.advance(None, shift)
        for index, track in self._tracks.items():
            self._mux(index, track.flush())
            if track.note:
                self._summary.notes.append(track.note)

    def _mux(self, index: int, packets: Iterable[Packet[Any]]) -> None:
        for packet in packets:
            self._muxer.mux(packet, index)

    def close(self) -> None:
        self._reader.release()
