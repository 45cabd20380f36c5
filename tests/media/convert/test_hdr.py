"""HDR to SDR: the curves of the standards, the table against the formula, and the note of a clip."""

from __future__ import annotations

import glob
import os
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from realtime.errors import MediaError
from realtime.frames import ColorTags
from realtime.media.convert.hdr import Kind, compress, hdr_kind, light_to_pq, pq_to_light, to_light, to_sdr
from realtime.media.convert.rgb import rgb_from_frame
from realtime.media.files.probe import probe
from realtime.media.files.reader import VideoReader
from tests.helpers.clips import REAL_CLIPS, decoded, psnr
from tests.helpers.media import identity


def test_curves() -> None:
    """Pairs of code and light from ST 2084, BT.2100 and BT.2408."""
    assert pq_to_light(np.array([0.0, 0.508078, 0.580689, 0.751827, 1.0])) == pytest.approx(
        [0, 100, 203, 1000, 10000], rel=2e-3
    )
    assert light_to_pq(pq_to_light(np.linspace(0, 1, 50))) == pytest.approx(np.linspace(0, 1, 50), abs=1e-6)
    gray = to_light(np.array([[0.75] * 3, [1.0] * 3, [0.0] * 3]), "HLG")
    assert gray[:, 0] == pytest.approx([203, 1000, 0], abs=1)


def test_compression() -> None:
    light = np.linspace(0, 1000, 2001)
    out = compress(light)
    assert (np.diff(out) >= -1e-6).all()
    assert out[light < 50] == pytest.approx(light[light < 50], rel=1e-3)
    assert out[-1] == pytest.approx(203, rel=1e-3)
    assert compress(np.array([5000.0]))[0] == pytest.approx(203, rel=1e-3)


@pytest.mark.parametrize("kind", ["PQ", "HLG"])
def test_grays_stay_gray_and_colours_are_in_range(kind: Kind) -> None:
    grays = to_sdr(np.linspace(0, 1, 20)[:, None].repeat(3, 1), kind)
    assert np.ptp(grays, axis=1).max() < 2e-3
    assert (np.diff(grays[:, 0]) >= -1e-9).all()
    assert grays[0].max() < 0.01
    assert grays[-1].min() > 0.99
    colours = to_sdr(np.random.default_rng(0).random((500, 3)), kind)
    assert colours.min() >= 0 and colours.max() <= 1
    red = to_sdr(np.array([0.6, 0.2, 0.2]), kind)
    assert red[0] > 1.3 * red[1:].max()


def make(path: Path, transfer: int, codes: np.ndarray) -> Path:
    """Four patches of one colour each, as 10-bit 4:2:0 in BT.2020: (4, 3) R'G'B' in 0..1."""
    m = np.array([[0.2627, 0.678, 0.0593], [-0.13963, -0.36037, 0.5], [0.5, -0.459786, -0.040214]])
    planes = codes @ m.T
    y = np.rint((planes[:, 0] * 219 + 16) * 4).astype(np.uint16)
    u, v = (np.rint((planes[:, i] * 224 + 128) * 4).astype(np.uint16) for i in (1, 2))
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx265", rate=25)
        video.width, video.height, video.pix_fmt = 128, 64, "yuv420p10le"
        context = video.codec_context
        context.options = {"crf": "1", "x265-params": "log-level=none"}
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = 1, 9, 9, transfer
        for number in range(5):
            frame = av.VideoFrame(128, 64, "yuv420p10le")
            for plane, values in zip(frame.planes, (y, u, v), strict=True):
                row = np.zeros(plane.line_size // 2, np.uint16)
                row[: plane.width] = values.repeat(plane.width // 4)
                plane.update(np.tile(row, plane.height).tobytes())
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


@pytest.mark.parametrize(("transfer", "kind"), [(16, "PQ"), (18, "HLG")])
def test_a_clip(tmp_path: Path, transfer: int, kind: Kind) -> None:
    codes = np.array([[0.5, 0.5, 0.5], [0.52, 0.46, 0.44], [0.4, 0.46, 0.42], [0.62, 0.62, 0.58]])
    source = make(tmp_path / "a.mp4", transfer, codes)
    assert hdr_kind(probe(source).color.transfer) == kind
    with VideoReader(source) as reader:
        frames = list(reader)
        assert reader.notes == [f"HDR ({kind}) was tone-mapped to SDR in bt709"]
    assert len(frames) == 5
    assert frames[0].color == ColorTags("bt709", "limited", 1, 1, 1, 1)
    shown = np.stack([rgb_from_frame(frames[2])[8:56, 32 * i + 10 : 32 * i + 22].mean((0, 1)) for i in range(4)])
    assert np.abs(shown - 255 * to_sdr(codes, kind)).max() < 2.5
    identity(source, tmp_path / "b.mp4", quality=2)
    picture = decoded(tmp_path / "b.mp4")[2]
    assert (picture.colorspace, picture.color_primaries, picture.color_trc, picture.color_range) == (1, 1, 1, 1)
    assert psnr(picture.to_ndarray()[:64], np.asarray(frames[2].y)) > 40
    with VideoReader(source, size=32) as reader:
        assert {f.y.shape for f in reader} == {(32, 64)}


def test_hdr_can_be_refused(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mp4", 16, np.full((4, 3), 0.5))
    with pytest.raises(MediaError, match=r"a\.mp4: is HDR \(PQ\).*--hdr tonemap"):
        VideoReader(source, hdr="error")
    assert glob.glob(os.path.join(tempfile.gettempdir(), "restyle-*.cube")) == []


@pytest.mark.parametrize("name", ["hdr10_av1_10bit.mp4", "phone_1080p_hevc10_hlg_rot_vfr.mp4"])
def test_real_clips(name: str) -> None:
    if not (REAL_CLIPS / name).is_file():
        pytest.skip("the folder of real clips is not beside this checkout")
    with VideoReader(REAL_CLIPS / name, end=0.1, size=270) as reader:
        frame = list(reader)[-1]
    rgb = rgb_from_frame(frame)
    # Neither washed out nor clipped: the whole range is used, and little of it is lost.
    assert np.percentile(rgb, 2) < 90
    assert np.percentile(rgb, 98) > 180
    assert (rgb.min(-1) >= 250).mean() < 0.2
