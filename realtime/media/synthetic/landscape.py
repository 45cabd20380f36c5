"""A moving evening landscape, drawn with noise: sky, clouds, mountains, a balloon, hills, a village and a field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.media.synthetic.brushes import Canvas, Color, between, lay_over, mix, noise, skyline, smooth, strip

_SEED = 1889
_WALLS: tuple[Color, ...] = ((226, 200, 160), (206, 172, 138), (238, 222, 190), (190, 150, 128))
_ROOFS: tuple[Color, ...] = ((166, 70, 48), (140, 56, 46), (176, 96, 56))
_LIT_WINDOW: Color = (255, 214, 110)
_FLOWERS: tuple[Color, ...] = ((212, 44, 34), (226, 70, 42), (250, 240, 220), (88, 70, 168))
_STALK: Color = (40, 70, 28)


@dataclass
class _Layer:
    """A strip wider than the picture that slides past at its own speed."""

    planes: np.ndarray  # see `strip`
    top: int  # row of the picture at which it begins
    travel: float  # pixels by which it slides over the whole clip


class Landscape:
    """Draws everything once; `paint` only slides it.

    Args:
        width, height: in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        rng = np.random.default_rng(_SEED)
        self._width, self._height, self._unit = width, height, height / 360
        self._sky = self._draw_sky(rng)
        self._clouds = self._draw_clouds(rng)
        self._mountains = self._draw_hills(
            rng, top=0.40, tall=0.24, bumps=7, rough=0.55, travel=40, dark=(70, 86, 128), bright=(148, 140, 160),
            cells=9, shading=(0.55, 0.35), trees=False,
        )  # fmt: skip
        self._hills = self._draw_hills(
            rng, top=0.55, tall=0.16, bumps=4, rough=0.42, travel=85, dark=(34, 74, 70), bright=(112, 142, 84),
            cells=22, shading=(0.9, 0.6), trees=True,
        )  # fmt: skip
        self._village = self._draw_village(rng)
        self._field = self._draw_field(rng)
        self._balloon = _draw_balloon(max(4, round(0.24 * height)))

    def paint(self, share: float, time: float) -> np.ndarray:
        """(3, H, W) uint16 RGB (0..255) at a share (0..1) of the clip; `time` in seconds moves what sways."""
        out = self._sky.copy()
        self._slide(out, self._clouds, share)
        self._slide(out, self._mountains, share)
        self._fly(
            out,
            self._width * (0.16 + 0.34 * share),
            self._height * (0.20 - 0.07 * share) + 4 * self._unit * np.sin(time * 1.7),
        )
        self._slide(out, self._hills, share)
        self._slide(out, self._village, share)
        self._slide(out, self._field, share, 1.5 * self._unit * np.sin(time * 2.2))
        return out

    def _slide(self, out: np.ndarray, layer: _Layer, share: float, sway: float = 0.0) -> None:
        _, rows, wide = layer.planes.shape
        at = float(np.clip(layer.travel * share + 4 - sway, 0, wide - self._width - 1))
        left = int(at)
        first, second = (layer.planes[..., x : x + self._width] for x in (left, left + 1))
        lay_over(out[:, layer.top : layer.top + rows], between(first, second, at - left))

    def _fly(self, out: np.ndarray, x: float, y: float) -> None:
        """Lay the balloon, whose outermost pixels are clear, with its corner at (x, y)."""
        left, top = int(x), int(y)
        across = between(self._balloon[..., 1:], self._balloon[..., :-1], x - left)
        moved = between(across[:, 1:], across[:, :-1], y - top)
        part = out[:, top : top + moved.shape[1], left : left + moved.shape[2]]
        lay_over(part, moved[:, : part.shape[1], : part.shape[2]])

    def _wide(self, travel: float) -> int:
        return self._width + round(travel) + 16

    def _draw_sky(self, rng: np.random.Generator) -> np.ndarray:
        width, height = self._width, self._height
        y = np.linspace(0, 1, height, dtype=np.float32)[:, None] + 0.05 * (noise(rng, height, width, 3, 3) - 0.5)
        sky = np.where(
            (y < 0.32)[..., None],
            mix((28, 60, 138), (92, 146, 204), np.clip(y / 0.32, 0, 1)),
            mix((92, 146, 204), (255, 206, 130), np.clip((y - 0.32) / 0.22, 0, 1)),
        )
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        away = np.hypot(columns - 0.74 * width, rows - 0.22 * height) / height
        sky += np.exp(-((away / 0.22) ** 2))[..., None] * np.array([130, 100, 40], np.float32)
        sun = np.clip((0.062 - away) * height / 1.5, 0, 1)[..., None]
        sky = sky * (1 - sun) + sun * np.array([255, 246, 196], np.float32)
        return np.ascontiguousarray(np.clip(sky, 0, 255).astype(np.uint16).transpose(2, 0, 1))

    def _draw_clouds(self, rng: np.random.Generator) -> _Layer:
        travel = 0.10 * self._width
        width, height = self._wide(travel), round(0.5 * self._height)
        shape = noise(rng, height, width, 2.2, 2.2)
        y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
        opacity = np.clip((shape - 0.52) * 4, 0, 1) * np.clip((1 - y) * 4, 0, 1) * 0.92
        # Lit from the upper right: brighter where the noise falls off towards the light.
        light = shape - np.roll(shape, (-max(1, height // 30), max(1, height // 20)), (0, 1))
        light[:, : height // 10] = 0  # where the roll wrapped around
        light[-height // 10 :] = 0
        color = mix((150, 130, 160), (255, 246, 226), np.clip(0.62 + 3.2 * light, 0, 1))
        return _Layer(strip(color, opacity), 0, travel)

    def _draw_hills(
        self, rng: np.random.Generator, *, top: float, tall: float, bumps: float, rough: float, travel: float,
        dark: Color, bright: Color, cells: float, shading: tuple[float, float], trees: bool,
    ) -> _Layer:  # fmt: skip
        travel *= self._unit
        width = self._wide(travel)
        first = round(self._height * top)
        height = round(self._height * 0.86) - first
        line = (1 - skyline(rng, width, rough, bumps * width / self._width)) * tall * self._height
        depth = np.arange(height, dtype=np.float32)[:, None] - line[None]
        texture = noise(rng, height, width, cells * 0.6, 1.6)
        slope = np.gradient(smooth(line, 12))[None] * 1.2
        share = np.clip(shading[0] * texture + shading[1] * (0.5 + slope * 0.5) - depth / height * 0.25, 0, 1)
        if trees:  # dark clumps with a bright upper edge
            clumps = noise(rng, height, width, 16, 1.2)
            rim = np.clip((clumps - np.roll(clumps, max(1, round(2 * self._unit)), 0)) * 5, -0.5, 0.8)
            share = np.clip(share * np.where(clumps > 0.55, 0.45, 1) + rim * (clumps > 0.5), 0, 1)
        return _Layer(strip(mix(dark, bright, share), np.clip(depth, 0, 1)), first, travel)

    def _draw_village(self, rng: np.random.Generator) -> _Layer:
        unit = self._unit
        travel = 130 * unit
        width, first = self._wide(travel), round(self._height * 0.52)
        height = round(self._height * 0.90) - first
        canvas = Canvas(np.zeros((height, width, 3), np.float32))
        ground = height * 0.62
        x = 20 * unit
        while x < width - 40 * unit:
            if rng.random() < 0.55:
                x += _draw_house(canvas, rng, x, ground, unit) + rng.uniform(4, 30) * unit
            else:
                x += _draw_tree(canvas, rng, x, ground, unit) + rng.uniform(2, 24) * unit
        padded = np.pad(canvas.mask, 1, mode="edge")
        across = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
        soft = (across[:-2] + 2 * across[1:-1] + across[2:]) / 16
        grain = (noise(rng, height, width, 20)[..., None] - 0.5) * 34
        return _Layer(strip(canvas.color + grain, soft * (canvas.mask > 0)), first, travel)

    def _draw_field(self, rng: np.random.Generator) -> _Layer:
        unit = self._unit
        travel = 230 * unit
        width, first = self._wide(travel), round(self._height * 0.70)
        height = self._height - first
        line = (1 - skyline(rng, width, 0.3, 3)) * 16 * unit
        depth = np.arange(height, dtype=np.float32)[:, None] - line[None]
        near = np.clip(depth / height, 0, 1)
        blades = noise(rng, height, width, 10, 0.22)
        patches = noise(rng, height, width, 2, 3)
        color = mix((92, 110, 38), (236, 198, 84), np.clip(0.25 + 0.5 * blades + 0.5 * (patches - 0.5), 0, 1))
        color *= (1.05 - 0.45 * near)[..., None]
        canvas = Canvas(np.ascontiguousarray(np.clip(color, 0, 255)))
        for _ in range(420):
            x, down = rng.uniform(0, width), rng.random() ** 0.8
            y = line[min(width - 1, int(x))] + 4 * unit + down * (height - 20 * unit)
            size = (0.8 + 2.4 * down) * unit
            flower = _FLOWERS[rng.integers(4)]
            canvas.dab((x, y), (x + unit, y + 5 * size), 0.5 * max(1.0, unit), _STALK)
            canvas.dab((x, y), (x, y), size + 0.25, flower)
        return _Layer(strip(canvas.color, np.clip(depth, 0, 1)), first, travel)


def _draw_house(canvas: Canvas, rng: np.random.Generator, x: float, ground: float, unit: float) -> float:
    """Draw a house with its left edge at x; returns its width."""
    wide, tall = rng.uniform(24, 40) * unit, rng.uniform(16, 26) * unit
    wall, roof = _WALLS[rng.integers(4)], _ROOFS[rng.integers(3)]
    shade = (int(wall[0] * 0.72), int(wall[1] * 0.72), int(wall[2] * 0.8))
    base = ground + rng.uniform(0, 8) * unit
    eaves, corner, right = base - tall, x + wide * 0.62, x + wide
    canvas.polygon([(x, base), (x, eaves), (corner, eaves), (corner, base)], shade)
    canvas.polygon([(corner, base), (corner, eaves), (right, eaves), (right, base)], wall)
    peak = base - tall - 13 * unit
    ridge = x + wide * 0.78
    canvas.polygon([(x - 2 * unit, eaves), (x + wide * 0.12, peak), (ridge, peak), (corner + unit, eaves)], roof)
    canvas.polygon([(corner, eaves), (ridge, peak), (right, eaves)], wall)
    for step in (0.12, 0.36):
        left, upper = x + wide * step, base - tall * 0.7
        across, lower = left + 5 * unit, upper + 7 * unit
        canvas.polygon([(left, upper), (across, upper), (across, lower), (left, lower)], _LIT_WINDOW)
    return float(wide)


def _draw_tree(canvas: Canvas, rng: np.random.Generator, x: float, ground: float, unit: float) -> float:
    """Draw a tree of triangles around x; returns its width."""
    tall, wide = rng.uniform(34, 74) * unit, rng.uniform(9, 15) * unit
    for _ in range(70):
        up = rng.random()
        spread = wide * 0.5 * np.sin(np.pi * min(1, 0.12 + 0.88 * (1 - up))) ** 0.7
        cx, cy = x + rng.normal(0, 0.35) * spread, ground + 8 * unit - up * tall
        size = (1.5 + 3 * (1 - up)) * unit
        lit = rng.random() < 0.35 and cx > x
        green = (76, 112, 52) if lit else (int(rng.integers(14, 34)), int(rng.integers(42, 64)), 40)
        canvas.polygon([(cx - size, cy + size), (cx + size * 0.2, cy - 2.2 * size), (cx + size, cy + size)], green)
    return float(wide)


def _draw_balloon(height: int) -> np.ndarray:
    """A strip with a striped balloon, 3/4 of whose height is the envelope."""
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
    return strip(np.pad(color, ((1, 1), (1, 1), (0, 0))), np.pad(opacity, 1))
