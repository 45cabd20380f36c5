"""A clip with sound out of nothing: an evening landscape, painted with noise. For `restyle demo` and for tests."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from realtime.media.files.reader import plane_view

_SEED = 1889
_SAMPLE_RATE = 48000
_CHORD = (110.0, 164.81, 220.0, 277.18, 329.63)
_MELODY = (440.0, 554.37, 659.26, 554.37, 493.88, 659.26, 880.0, 659.26)
_CLEAR = 256
"""Value of a strip's fourth plane where all of what lies behind shows."""
_STEPS = 128
"""Fractions of a pixel by which strips move: the products of both numbers and of 255 and 256 fit into 16 bits."""


@dataclass
class _Layer:
    """A strip wider than the picture that slides past at its own speed.

    Attributes:
        planes: (4, h, w) uint16: red, green and blue (0..255), multiplied by the opacity, and how much of what lies
            behind shows (0..256).
        top: row of the picture at which the strip begins.
        travel: pixels by which it slides over the whole clip.
    """

    planes: np.ndarray
    top: int
    travel: float


def write_demo_clip(
    path: str | os.PathLike[str], *, seconds: float = 4, size: tuple[int, int] = (640, 360), fps: int = 30
) -> None:
    """Write a moving landscape with stereo sound: H.264 and AAC, in the container that the extension names.

    Args:
        path: the file to make; one that is there is replaced.
        seconds: length.
        size: (width, height) in pixels, even numbers.
        fps: frames per second.
    """
    import av

    width, height = size
    count = max(1, round(seconds * fps))
    with av.open("file:" + os.fspath(path), "w", metadata_errors="replace") as container:
        container.metadata["title"] = "restyle demo"
        video: Any = container.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.time_base = Fraction(1, fps)
        video.codec_context.color_range, video.codec_context.colorspace = 1, 1
        video.codec_context.color_primaries = video.codec_context.color_trc = 1
        video.codec_context.options = {"preset": "veryfast", "crf": "16"}
        audio: Any = container.add_stream("aac", rate=_SAMPLE_RATE)
        audio.codec_context.layout = "stereo"
        audio.codec_context.bit_rate = 128_000
        audio.metadata["language"] = "zxx"

        scene = _Scene(width, height)
        reformatter = av.video.reformatter.VideoReformatter()
        sound = _sound(seconds)
        block = 1024
        heard = 0
        for index in range(count):
            painted = scene.paint(index / max(1, count - 1), index / fps)
            canvas = av.VideoFrame(width, height, "gbrp")
            for plane, channel in zip(canvas.planes, (1, 2, 0), strict=True):
                np.copyto(plane_view(plane), painted[channel], casting="unsafe")
            picture = reformatter.reformat(canvas, format="yuv420p", dst_colorspace=1, dst_color_range=1)
            picture.pts, picture.time_base = index, Fraction(1, fps)
            picture.duration = 1
            container.mux(video.encode(picture))
            until = min(sound.shape[1], round((index + 1) / fps * _SAMPLE_RATE)) if index + 1 < count else 10**12
            while heard < min(until, sound.shape[1]):
                piece = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(sound[:, heard : heard + block]), format="fltp", layout="stereo"
                )
                piece.sample_rate, piece.pts, piece.time_base = _SAMPLE_RATE, heard, Fraction(1, _SAMPLE_RATE)
                container.mux(audio.encode(piece))
                heard += piece.samples
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def _noise(rng: np.random.Generator, height: int, width: int, cells: float, stretch: float = 1.0) -> np.ndarray:
    """(height, width) float32 in 0..1: octaves of smooth noise, the coarsest of `cells` blobs across the height."""
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    cells = min(cells, height / 2)  # at least one octave
    while cells < height / 1.5:
        rows, columns = max(2, round(cells)), max(2, round(cells * width / height / stretch))
        grid = rng.random((rows, columns), np.float32)
        total += weight * _stretched(_stretched(grid, height).T, width).T
        cells, weight = cells * 2, weight * 0.55
    low, high = np.quantile(total, [0.01, 0.99])
    noise: np.ndarray = np.clip((total - low) / max(high - low, 1e-6), 0, 1)
    return noise


def _stretched(values: np.ndarray, rows: int) -> np.ndarray:
    """(n, w) float32 as (rows, w): bicubic along the first axis; beyond the edges lies what is at them."""
    at = (np.arange(rows) + 0.5) * values.shape[0] / rows - 0.5
    first = np.floor(at).astype(np.intp)
    x = (at - first).astype(np.float32)[:, None]
    padded = np.take(values, np.arange(-1, values.shape[0] + 3) - 1, axis=0, mode="clip")
    out = np.zeros((rows, values.shape[1]), np.float32)
    for tap in range(4):
        away = np.abs(x + 1 - tap)
        near = (1.25 * away - 2.25) * away * away + 1
        far = ((-0.75 * away + 3.75) * away - 6) * away + 3
        out += np.where(away <= 1, near, far) * padded[first + 1 + tap]
    return out


def _mix(low: tuple[int, int, int], high: tuple[int, int, int], share: np.ndarray) -> np.ndarray:
    """(..., 3) float32: from one colour to another."""
    a, b = np.array(low, np.float32), np.array(high, np.float32)
    out: np.ndarray = a + (b - a) * share[..., None]
    return out


def _ridge(rng: np.random.Generator, width: int, rough: float, bumps: float) -> np.ndarray:
    """(width,) float32 in 0..1: a skyline."""
    x = np.linspace(0, 1, width, dtype=np.float32)
    line = np.zeros(width, np.float32)
    frequency, weight = bumps, 1.0
    while frequency < width / 4:
        points = rng.random(max(3, round(frequency))).astype(np.float32)
        at = np.linspace(0, 1, points.size, dtype=np.float32)
        smooth = np.interp(x, at, points)
        line += weight * smooth.astype(np.float32)
        frequency, weight = frequency * 2.1, weight * rough
    smooth_line: np.ndarray = np.convolve(np.pad(line, 4, mode="edge"), np.ones(9, np.float32) / 9, mode="valid")
    low, high = smooth_line.min(), smooth_line.max()
    ridge: np.ndarray = (smooth_line - low) / max(high - low, 1e-6)
    return ridge


def _window(
    shape: tuple[int, ...], left: float, top: float, right: float, bottom: float
) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
    """The part of a picture that a box touches; its columns as (1, w) and its rows as (h, 1) float64."""
    x0, x1 = (int(np.clip(v, 0, shape[1])) for v in (np.ceil(left - 0.5), np.floor(right + 0.5) + 1))
    y0, y1 = (int(np.clip(v, 0, shape[0])) for v in (np.ceil(top - 0.5), np.floor(bottom + 0.5) + 1))
    return (slice(y0, y1), slice(x0, x1)), np.arange(x0, x1)[None] + 0.0, np.arange(y0, y1)[:, None] + 0.0


def _inside(points: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(h, w) bool: the pixels in a convex polygon of (n, 2) corners, with those that its outline crosses."""
    along = np.roll(points, -1, axis=0) - points
    x, y = points[:, 0], points[:, 1]
    turn = np.sign((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) or 1.0
    normal = turn * along / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)[:, None]
    depth = normal[:, 0, None, None] * (rows - y[:, None, None]) - normal[:, 1, None, None] * (
        columns - x[:, None, None]
    )
    inside: np.ndarray = depth.min(axis=0) >= -0.5
    return inside


def _dab(
    color: np.ndarray, begin: tuple[float, float], end: tuple[float, float], radius: float, shade: tuple[int, int, int]
) -> None:
    """Paint a line with round ends, or a disc where it has no length, with soft edges."""
    (x0, y0), (x1, y1) = begin, end
    reach = radius + 0.5
    where, columns, rows = _window(
        color.shape, min(x0, x1) - reach, min(y0, y1) - reach, max(x0, x1) + reach, max(y0, y1) + reach
    )
    dx, dy = x1 - x0, y1 - y0
    share = np.clip(((columns - x0) * dx + (rows - y0) * dy) / max(dx * dx + dy * dy, 1e-6), 0, 1)
    away = np.hypot(columns - x0 - share * dx, rows - y0 - share * dy)
    cover = np.clip(reach - away, 0, 1).astype(np.float32)[..., None]
    color[where] += cover * (np.array(shade, np.float32) - color[where])


def _over(back: np.ndarray, planes: np.ndarray) -> None:
    """Lay (4, h, w) uint16 planes, as a strip has them, over (3, h, w) uint16 of a picture."""
    back *= planes[3]
    back >>= 8
    back += planes[:3]


def _between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """uint16 of 0..256: a mean of two arrays, `share` (0..1) of the second."""
    steps = round(share * _STEPS)
    out: np.ndarray = first * np.uint16(_STEPS - steps)
    out += second * np.uint16(steps)
    out >>= 7
    return out


def _planes(color: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """A strip's planes of (h, w, 3) colours (0..255) and (h, w) opacity (0..1)."""
    opacity = np.clip(opacity, 0, 1)
    planes = np.empty((4, *opacity.shape), np.uint16)
    planes[:3] = np.clip(color * opacity[..., None], 0, 255).transpose(2, 0, 1)
    planes[3] = _CLEAR - np.rint(opacity * _CLEAR)
    return planes


class _Scene:
    """Everything that is painted once; `paint` then only slides it."""

    def __init__(self, width: int, height: int) -> None:
        rng = np.random.default_rng(_SEED)
        self._width, self._height = width, height
        self._sky = self._make_sky(rng)
        self._clouds = self._make_clouds(rng)
        self._layers = [
            self._make_hills(rng, 0.40, 0.24, 7, 0.55, 40, (70, 86, 128), (148, 140, 160), 9, (0.55, 0.35)),
            self._make_hills(rng, 0.55, 0.16, 4, 0.42, 85, (34, 74, 70), (112, 142, 84), 22, (0.9, 0.6)),
            self._make_village(rng),
            self._make_field(rng),
        ]
        self._balloon = self._make_balloon()

    def paint(self, share: float, time: float) -> np.ndarray:
        """(3, H, W) uint16 RGB (0..255) at a share (0..1) of the clip; `time` in seconds drives what sways."""
        unit = self._height / 360
        out = self._sky.copy()
        self._slide(out, self._clouds, share, 0.0)
        self._slide(out, self._layers[0], share, 0.0)
        # The balloon flies between the mountains and the hills.
        self._fly(
            out,
            self._width * (0.16 + 0.34 * share),
            self._height * (0.20 - 0.07 * share) + 4 * unit * np.sin(time * 1.7),
        )
        for number, layer in enumerate(self._layers[1:]):
            self._slide(out, layer, share, (0.0, 0.0, 1.5 * unit)[number] * np.sin(time * 2.2))
        return out

    def _slide(self, out: np.ndarray, layer: _Layer, share: float, sway: float) -> None:
        _, rows, wide = layer.planes.shape
        at = float(np.clip(layer.travel * share + 4 - sway, 0, wide - self._width - 1))
        left = int(at)
        first, second = (layer.planes[..., x : x + self._width] for x in (left, left + 1))
        _over(out[:, layer.top : layer.top + rows], _between(first, second, at - left))

    def _fly(self, out: np.ndarray, x: float, y: float) -> None:
        """The balloon, whose outermost pixels are clear on all sides, with its corner at (x, y)."""
        left, top = int(x), int(y)
        across = _between(self._balloon[..., 1:], self._balloon[..., :-1], x - left)
        moved = _between(across[:, 1:], across[:, :-1], y - top)
        part = out[:, top : top + moved.shape[1], left : left + moved.shape[2]]
        _over(part, moved[:, : part.shape[1], : part.shape[2]])

    def _layer(self, color: np.ndarray, opacity: np.ndarray, top: int, travel: float) -> _Layer:
        return _Layer(_planes(color, opacity), top, travel)

    def _wide(self, travel: float) -> int:
        return self._width + round(travel) + 16

    def _make_sky(self, rng: np.random.Generator) -> np.ndarray:
        width, height = self._width, self._height
        y = np.linspace(0, 1, height, dtype=np.float32)[:, None] + 0.05 * (_noise(rng, height, width, 3, 3) - 0.5)
        sky = np.where(
            (y < 0.32)[..., None],
            _mix((28, 60, 138), (92, 146, 204), np.clip(y / 0.32, 0, 1)),
            _mix((92, 146, 204), (255, 206, 130), np.clip((y - 0.32) / 0.22, 0, 1)),
        )
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        away = np.hypot(columns - 0.74 * width, rows - 0.22 * height) / height
        sky += np.exp(-((away / 0.22) ** 2))[..., None] * np.array([130, 100, 40], np.float32)
        disc = np.clip((0.062 - away) * height / 1.5, 0, 1)[..., None]
        sky = sky * (1 - disc) + disc * np.array([255, 246, 196], np.float32)
        return np.ascontiguousarray(np.clip(sky, 0, 255).astype(np.uint16).transpose(2, 0, 1))

    def _make_clouds(self, rng: np.random.Generator) -> _Layer:
        travel = 0.10 * self._width
        width, height = self._wide(travel), round(0.5 * self._height)
        shape = _noise(rng, height, width, 2.2, 2.2)
        y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
        opacity = np.clip((shape - 0.52) * 4, 0, 1) * np.clip((1 - y) * 4, 0, 1) * 0.92
        # Lit from the upper right: brighter where the noise falls off towards the light.
        light = shape - np.roll(shape, (-max(1, height // 30), max(1, height // 20)), (0, 1))
        light[:, : height // 10] = 0  # where the roll wrapped around
        light[-height // 10 :] = 0
        color = _mix((150, 130, 160), (255, 246, 226), np.clip(0.62 + 3.2 * light, 0, 1))
        return self._layer(color, opacity, 0, travel)

    def _make_hills(
        self,
        rng: np.random.Generator,
        top: float,
        tall: float,
        bumps: float,
        rough: float,
        travel: float,
        dark: tuple[int, int, int],
        bright: tuple[int, int, int],
        cells: float,
        shading: tuple[float, float],
    ) -> _Layer:
        unit = self._height / 360
        travel *= unit
        width = self._wide(travel)
        first = round(self._height * top)
        height = round(self._height * 0.86) - first
        line = (1 - _ridge(rng, width, rough, bumps * width / self._width)) * tall * self._height
        rows = np.arange(height, dtype=np.float32)[:, None]
        depth = rows - line[None]
        texture = _noise(rng, height, width, cells * 0.6, 1.6)
        soft = np.convolve(np.pad(line, 12, mode="edge"), np.ones(25, np.float32) / 25, mode="valid")
        slope = np.gradient(soft)[None] * 1.2
        share = np.clip(shading[0] * texture + shading[1] * (0.5 + slope * 0.5) - depth / height * 0.25, 0, 1)
        if cells > 15:  # near enough to see trees: dark clumps with a bright upper edge
            clumps = _noise(rng, height, width, 16, 1.2)
            rim = np.clip((clumps - np.roll(clumps, max(1, round(2 * unit)), 0)) * 5, -0.5, 0.8)
            share = np.clip(share * np.where(clumps > 0.55, 0.45, 1) + rim * (clumps > 0.5), 0, 1)
        return self._layer(_mix(dark, bright, share), np.clip(depth, 0, 1), first, travel)

    def _make_village(self, rng: np.random.Generator) -> _Layer:
        unit = self._height / 360
        travel = 130 * unit
        width, first = self._wide(travel), round(self._height * 0.52)
        height = round(self._height * 0.90) - first
        color = np.zeros((height, width, 3), np.float32)
        mask = np.zeros((height, width), np.float32)

        def fill(points: list[tuple[float, float]], shade: tuple[int, int, int]) -> None:
            at = np.array(points)
            where, columns, rows = _window(mask.shape, *at.min(axis=0), *at.max(axis=0))
            inside = _inside(at, columns, rows)
            color[where][inside] = shade
            mask[where][inside] = 1

        ground = height * 0.62
        x = 20 * unit
        walls = [(226, 200, 160), (206, 172, 138), (238, 222, 190), (190, 150, 128)]
        roofs = [(166, 70, 48), (140, 56, 46), (176, 96, 56)]
        while x < width - 40 * unit:
            if rng.random() < 0.55:
                wide, tall = rng.uniform(24, 40) * unit, rng.uniform(16, 26) * unit
                wall, roof = walls[rng.integers(4)], roofs[rng.integers(3)]
                shade = (int(wall[0] * 0.72), int(wall[1] * 0.72), int(wall[2] * 0.8))
                base = ground + rng.uniform(0, 8) * unit
                corner = x + wide * 0.62
                fill([(x, base), (x, base - tall), (corner, base - tall), (corner, base)], shade)
                fill([(corner, base), (corner, base - tall), (x + wide, base - tall), (x + wide, base)], wall)
                peak = base - tall - 13 * unit
                fill(
                    [(x - 2 * unit, base - tall), (x + wide * 0.12, peak), (x + wide * 0.78, peak),
                     (corner + unit, base - tall)],
                    roof,
                )  # fmt: skip
                fill([(corner, base - tall), (x + wide * 0.78, peak), (x + wide, base - tall)], wall)
                for step in (0.12, 0.36):
                    left, upper = x + wide * step, base - tall * 0.7
                    fill(
                        [(left, upper), (left + 5 * unit, upper), (left + 5 * unit, upper + 7 * unit),
                         (left, upper + 7 * unit)],
                        (255, 214, 110),
                    )  # fmt: skip
                x += wide + rng.uniform(4, 30) * unit
            else:
                tall, wide = rng.uniform(34, 74) * unit, rng.uniform(9, 15) * unit
                for _ in range(70):
                    up = rng.random()
                    spread = wide * 0.5 * np.sin(np.pi * min(1, 0.12 + 0.88 * (1 - up))) ** 0.7
                    cx, cy = x + rng.normal(0, 0.35) * spread, ground + 8 * unit - up * tall
                    size = (1.5 + 3 * (1 - up)) * unit
                    lit = rng.random() < 0.35 and cx > x
                    green = (76, 112, 52) if lit else (int(rng.integers(14, 34)), int(rng.integers(42, 64)), 40)
                    fill([(cx - size, cy + size), (cx + size * 0.2, cy - 2.2 * size), (cx + size, cy + size)], green)
                x += wide + rng.uniform(2, 24) * unit
        padded = np.pad(mask, 1, mode="edge")
        across = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
        soft = (across[:-2] + 2 * across[1:-1] + across[2:]) / 16
        grain = (_noise(rng, height, width, 20)[..., None] - 0.5) * 34
        return self._layer(color + grain, soft * (mask > 0), first, travel)

    def _make_field(self, rng: np.random.Generator) -> _Layer:
        unit = self._height / 360
        travel = 230 * unit
        width, first = self._wide(travel), round(self._height * 0.70)
        height = self._height - first
        line = (1 - _ridge(rng, width, 0.3, 3)) * 16 * unit
        rows = np.arange(height, dtype=np.float32)[:, None]
        depth = rows - line[None]
        near = np.clip(depth / height, 0, 1)
        blades = _noise(rng, height, width, 10, 0.22)
        patches = _noise(rng, height, width, 2, 3)
        color = _mix((92, 110, 38), (236, 198, 84), np.clip(0.25 + 0.5 * blades + 0.5 * (patches - 0.5), 0, 1))
        color *= (1.05 - 0.45 * near)[..., None]
        color = np.ascontiguousarray(np.clip(color, 0, 255))
        for _ in range(420):
            x, down = rng.uniform(0, width), rng.random() ** 0.8
            y = line[min(width - 1, int(x))] + 4 * unit + down * (height - 20 * unit)
            size = (0.8 + 2.4 * down) * unit
            shade = [(212, 44, 34), (226, 70, 42), (250, 240, 220), (88, 70, 168)][rng.integers(4)]
            _dab(color, (x, y), (x + unit, y + 5 * size), 0.5 * max(1.0, unit), (40, 70, 28))
            _dab(color, (x, y), (x, y), size + 0.25, shade)
        return self._layer(color, np.clip(depth, 0, 1), first, travel)

    def _make_balloon(self) -> np.ndarray:
        """Planes, as a strip has them, of a striped balloon, 3/4 of whose height is the envelope."""
        height = max(4, round(0.24 * self._height))
        width = max(4, round(height * 0.8))
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        radius = width * 0.46
        x, y = (columns - width / 2) / radius, (rows - radius - 2) / radius
        taper = np.where(y > 0, 1 - 0.42 * np.clip(y, 0, 1.5) ** 1.4, 1.0)
        edge = (np.sqrt(np.clip(1 - np.clip(y / 1.36, -1, 1) ** 2, 0, 1)) * taper - np.abs(x)) * radius
        edge = np.where(y < 0, (1 - np.hypot(x, y)) * radius, np.where(y < 1.3, edge, -1))
        opacity = np.clip(edge, 0, 1)
        around = np.arcsin(np.clip(x / np.maximum(0.2, np.sqrt(np.clip(1 - y * y * 0.5, 0, 1))), -1, 1))
        stripes = (np.floor((around + np.pi / 2) / (np.pi / 7)) % 2)[..., None]
        color = np.where(stripes > 0, np.array([196, 40, 34], np.float32), np.array([246, 210, 96], np.float32))
        color = color * np.clip(0.82 + 0.34 * x - 0.16 * y, 0.35, 1.15)[..., None]
        basket = (np.abs(x) < 0.17) & (rows > height * 0.88) & (rows < height * 0.985)
        ropes = (np.abs(np.abs(x) - 0.16) < 0.02) & (y > 1.2) & (rows < height * 0.9)
        color[basket], color[ropes] = (104, 66, 36), (70, 54, 44)
        opacity = np.maximum(opacity, (basket | ropes).astype(np.float32))
        return _planes(np.pad(color, ((1, 1), (1, 1), (0, 0))), np.pad(opacity, 1))


def _sound(seconds: float) -> np.ndarray:
    """(2, samples) float32: a soft chord that swells, with a plucked melody wandering from side to side."""
    count = round(seconds * _SAMPLE_RATE)
    time = np.arange(count, dtype=np.float32) / _SAMPLE_RATE
    out = np.zeros((2, count), np.float32)
    for number, pitch in enumerate(_CHORD):
        for side in (0, 1):
            # A little apart left and right, so that the chord is wide.
            tone = np.sin(2 * np.pi * (pitch + (0.35 if side else -0.35)) * time + number)
            out[side] += 0.05 * tone * (0.75 + 0.25 * np.sin(2 * np.pi * (0.13 + 0.04 * number) * time + side))
    beat = 0.5
    for number in range(int(seconds / beat) + 1):
        begin = round(number * beat * _SAMPLE_RATE)
        length = min(round(1.6 * _SAMPLE_RATE), count - begin)
        if length <= 0:
            break
        at = time[:length]
        pitch = _MELODY[number % len(_MELODY)]
        pluck = np.exp(-3.5 * at) * np.minimum(1, at * 200)
        tone = pluck * (np.sin(2 * np.pi * pitch * at) + 0.3 * np.sin(4 * np.pi * pitch * at) * np.exp(-3 * at))
        side = 0.5 + 0.35 * np.sin(number * 1.3)
        out[0, begin : begin + length] += 0.11 * (1 - side) * tone
        out[1, begin : begin + length] += 0.11 * side * tone
    fade = np.minimum(1, np.minimum(time / 0.3, (seconds - time) / 0.6)).clip(0, 1)
    sound: np.ndarray = (out * fade).astype(np.float32)
    return sound
