"""Restyles every real clip with a network that changes nothing, and compares output and source.

`python -m tools.survey` writes the results to `docs/videos.md`, if everything is as it should be.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from realtime.media.convert.views import plane_view
from realtime.media.files.probe import MediaInfo, codec_name, probe
from realtime.media.files.reader import VideoReader
from realtime.media.files.writer import VideoWriter
from tests.helpers.clips import REAL_CLIPS, psnr

TABLE = Path(__file__).parents[1] / "docs" / "videos.md"
QUALITY = {".webm": 4.0}
"""The encoder's CRF by container, 10 where not named: so good that compression does not count."""

Run = Callable[[Path, Path, float], dict[str, Any]]


@dataclass
class Row:
    """The comparison of one clip.

    Attributes:
        name: of the file.
        before, after: the video streams in words.
        frames: number of frames written.
        worst_time, worst_sound: largest differences in time in seconds.
        sound: the audio streams in words.
        worst_psnr: lowest PSNR of the compared frames in dB.
        copied, converted, dropped: see `realtime.results.VideoSummary`.
        faults: what is not as it should be.
    """

    name: str
    before: str = ""
    after: str = ""
    frames: int = 0
    worst_time: float = 0.0
    sound: str = "none"
    worst_sound: float = 0.0
    worst_psnr: float = float("inf")
    copied: list[str] = field(default_factory=list)
    converted: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def without_network(source: Path, target: Path, quality: float) -> dict[str, Any]:
    """Send a clip through reader and writer alone."""
    with VideoReader(source) as reader, VideoWriter(target, reader, quality=quality) as writer:
        for frame in reader:
            writer.write(frame)
        done = writer.finish()
        return {
            "frames": done.frames,
            "copied": done.copied,
            "converted": done.converted,
            "dropped": done.dropped,
            "notes": [*reader.notes, *done.notes],
            "warnings": reader.warnings,
        }


def survey(source: Path, folder: Path, run: Run = without_network) -> Row:
    """Restyle a clip, and compare the output with the source.

    Args:
        source: the clip.
        folder: for the output.
        run: restyles; takes source, target and CRF, and returns the fields of a `VideoSummary`.
    """
    target = folder / source.name
    summary = run(source, target, QUALITY.get(source.suffix, 10.0))
    a, b = probe(source), probe(target)
    row = Row(source.name, _describe(a), _describe(b), summary["frames"])
    row.copied, row.dropped = summary["copied"], summary["dropped"]
    row.converted = [*summary["converted"], *summary["notes"]]
    row.faults += [f"warning: {text}" for text in summary["warnings"]]
    _compare_pictures(row, source, target)
    _compare_sound(row, source, target)
    _compare_form(row, a, b)
    return row


def _compare_pictures(row: Row, source: Path, target: Path) -> None:
    """Compare the time of every frame with FFmpeg's, and the picture of every tenth frame with the reader's."""
    before, after = list(_times(source)), []
    with VideoReader(source) as reader, av.open(str(target)) as container:
        frames = iter(reader)
        pictures: Iterator[Any] = container.decode(container.streams.video[0])
        for number, picture in enumerate(pictures):
            after.append(picture.time)
            frame = next(frames, None)
            if number % 10 or frame is None:
                continue
            errors = [
                _squared(np.asarray(plane), np.asarray(plane_view(other)))
                for plane, other in zip((frame.y, frame.u, frame.v), picture.planes, strict=False)
            ]
            mean = sum(e for e, _ in errors) / sum(n for _, n in errors)
            row.worst_psnr = min(row.worst_psnr, float(10 * np.log10(255**2 / max(mean, 1e-9))))
    if len(before) != len(after) or row.frames != len(after):
        row.faults.append(f"{len(before)} pictures in, {row.frames} written, {len(after)} out")
        return
    row.worst_time = max(abs((x - before[0]) - (y - after[0])) for x, y in zip(before, after, strict=True))
    if row.worst_time > 0.001:
        row.faults.append(f"times differ by {1000 * row.worst_time:.2f} ms")
    if row.worst_psnr < 40:
        row.faults.append(f"PSNR {row.worst_psnr:.1f} dB")


def _squared(a: np.ndarray, b: np.ndarray) -> tuple[float, int]:
    error = psnr(a, b)
    return (0.0 if np.isinf(error) else 255**2 / 10 ** (error / 10) * a.size), a.size


def _times(path: Path) -> Iterator[float]:
    with av.open(str(path), metadata_errors="replace") as container:
        for picture in container.decode(container.streams.video[0]):
            assert picture.time is not None
            yield picture.time


def _compare_sound(row: Row, source: Path, target: Path) -> None:
    a, b = _sound(source), _sound(target)
    if len(a) != len(b):
        row.faults.append(f"{len(a)} tracks of sound in, {len(b)} out")
        return
    first = [next(_times(path)) for path in (source, target)]
    for number, ((codec, packets, times), (new, new_packets, new_times)) in enumerate(zip(a, b, strict=True)):
        if codec == new and packets != new_packets:
            row.faults.append(f"packets of track {number} differ")
        for index in (0, -1) if codec == new else ():
            shift = abs((times[index] - first[0]) - (new_times[index] - first[1]))
            row.worst_sound = max(row.worst_sound, shift)
    if row.worst_sound > 0.001:
        row.faults.append(f"sound is {1000 * row.worst_sound:.2f} ms off")
    if a:
        same = all(x[:2] == y[:2] for x, y in zip(a, b, strict=True))
        row.sound = f"{len(a)} × {'/'.join(sorted({x[0] for x in a}))}, {'every packet' if same else 're-encoded'}"


def _sound(path: Path) -> list[tuple[str, list[bytes], list[Fraction]]]:
    with av.open(str(path), metadata_errors="replace") as container:
        found: dict[int, tuple[str, list[bytes], list[Fraction]]] = {
            s.index: (codec_name(s), [], []) for s in container.streams.audio
        }
        for packet in container.demux(*container.streams.audio) if found else ():
            if packet.size:
                found[packet.stream.index][1].append(bytes(packet))
                found[packet.stream.index][2].append(packet.pts * packet.time_base)
        return list(found.values())


def _compare_form(row: Row, a: MediaInfo, b: MediaInfo) -> None:
    shown = [(info.height, info.width) if info.rotation % 180 else (info.width, info.height) for info in (a, b)]
    if shown[0] != shown[1]:
        row.faults.append(f"shown as {shown[1]}, not {shown[0]}")
    if (a.sample_aspect_ratio or 1) != (b.sample_aspect_ratio or 1):
        row.faults.append(f"pixel aspect {b.sample_aspect_ratio}")
    if a.display_matrix and a.display_matrix[:5] != (b.display_matrix or ())[:5]:
        row.faults.append("display matrix")
    if a.color.transfer in (16, 18):
        if (b.color.matrix, b.color.space, b.color.primaries, b.color.transfer) != ("bt709", 1, 1, 1):
            row.faults.append(f"colour tags {b.color}")
    elif (a.color.matrix, a.color.range, a.color.space, a.color.primaries, a.color.transfer) != (
        b.color.matrix, b.color.range, b.color.space, b.color.primaries, b.color.transfer
    ):  # fmt: skip
        row.faults.append(f"colour tags {b.color}")
    for key in ("title", "creation_time"):
        if key in a.metadata and a.metadata[key] != b.metadata.get(key):
            row.faults.append(f"{key} is lost")
    unknown = (None, "und")  # MP4 always names a language
    pairs = zip(a.audio, b.audio, strict=False)
    if any(x.language != y.language and not (x.language in unknown and y.language in unknown) for x, y in pairs):
        row.faults.append("languages of the sound")
    if len(a.subtitles) != len(b.subtitles) and not row.dropped:
        row.faults.append("subtitles are lost silently")
    if a.chapters != b.chapters and not any("chapters" in text for text in row.dropped):
        row.faults.append("chapters are lost silently")


def _describe(info: MediaInfo) -> str:
    turned = f", turned by {info.rotation}°" if info.rotation else ""
    aspect = f", pixels {info.sample_aspect_ratio}" if (info.sample_aspect_ratio or 1) != 1 else ""
    hdr = {16: " PQ", 18: " HLG"}.get(info.color.transfer, "")
    kind = f"{info.codec} {info.bit_depth} bit {info.color.matrix}{hdr} {info.color.range}"
    return f"{info.width}x{info.height}{turned}{aspect}, {kind}"


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| clip | in | out | frames | times off by | sound | sound off by | PSNR | kept | converted | dropped |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            row.name,
            row.before,
            row.after,
            str(row.frames),
            f"{1000 * row.worst_time:.2f} ms",
            row.sound,
            f"{1000 * row.worst_sound:.2f} ms" if row.sound != "none" and "re-encoded" not in row.sound else "–",
            f"{row.worst_psnr:.1f} dB",
            *("; ".join(texts) or "–" for texts in (row.copied, row.converted, row.dropped)),
        ]
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


PREAMBLE = """# What becomes of real clips

Every clip was restyled with a network that changes nothing, into a file of the same container, and then compared with
the source: the number of frames, the time of every frame (relative to the first), the audio packets and the times of
the first and the last of them, size, rotation, pixel aspect, colour tags, languages, titles and creation time. PSNR is
the lowest of every tenth frame, over all three planes, against what the network is given (8-bit 4:2:0; HDR
tone-mapped), at a CRF of 10 for x264 and of 4 for VP9. `python -m tools.survey` writes this page, and stops where
anything is not as it should be.

"""


def main() -> int:
    """Write the table. Returns the exit code: 1 where something is not as it should be."""
    from realtime import Stylizer
    from realtime.transnet.checkpoint import StyleCard, save_checkpoint
    from realtime.transnet.network import identity_network

    clips = sorted(p for p in REAL_CLIPS.iterdir() if p.suffix != ".md")
    with ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory())
        style = Path(place) / "identity.safetensors"
        save_checkpoint(style, identity_network(), StyleCard("identity"))
        stylizer = stack.enter_context(Stylizer(style, backend="torch", device="cpu"))

        def run(source: Path, target: Path, quality: float) -> dict[str, Any]:
            return stylizer.video(source, target, quality=quality).to_json()

        rows = []
        for clip in clips:
            rows.append(survey(clip, Path(place), run))
            (Path(place) / clip.name).unlink()
            print(clip.name, rows[-1].faults or "good", flush=True)
    if any(row.faults for row in rows):
        return 1
    TABLE.write_text(PREAMBLE + table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
