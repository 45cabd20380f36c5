"""Still pictures with the statistics of photographs, made from random numbers, to learn painting on.

Things of all sizes lie upon each other: the dead leaves model (Lee, Mumford & Huang 2001, "Occlusion models for natural
images"; that networks learn from such pictures nearly what photographs teach: Baradad et al. 2021, arXiv 2106.05963).
Things here are plain or have a texture, are shaded towards one side, and have sharp or soft edges; the ground behind
them is a sky or a wall, which large areas of photographs are.
"""

from __future__ import annotations

import numpy as np

_LARGEST = 0.5
"""Radius of the largest things, in sides of the picture."""
_SMALLEST = 0.006
_FALLOFFS = (0.5, 0.8, 1.0, 1.2, 1.5)
"""Of the fields of noise that textures are cut from: the amplitude falls as 1 / frequency ** falloff."""


def dead_leaves(count: int, side: int = 320, seed: int = 0) -> list[np.ndarray]:
    """Pictures, always the same for the same arguments.

    Args:
        count: how many.
        side: of each, in pixels, 32 or more.
        seed: of the random numbers.

    Returns:
        `count` arrays (side, side, 3) uint8 RGB.
    """
    rng = np.random.default_rng([1895, seed])
    fields = [_field(rng, 2 * side, falloff) for falloff in _FALLOFFS]
    return [_picture(rng, side, fields) for _ in range(count)]


def _field(rng: np.random.Generator, side: int, falloff: float) -> np.ndarray:
    """(side, side) float32 noise of mean 0 and deviation 0.3, of periods up to a quarter of the side."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    spectrum = np.fft.rfft2(rng.standard_normal((side, side), np.float32))
    field = np.fft.irfft2(spectrum / np.maximum(frequency, 4 / side) ** falloff, s=(side, side))
    return np.asarray((field - field.mean()) * (0.3 / field.std()), np.float32)


def _picture(rng: np.random.Generator, side: int, fields: list[np.ndarray]) -> np.ndarray:
    palette = _palette(rng)
    picture = _ground(rng, side, palette, fields)
    smallest = _SMALLEST * rng.uniform(1, 4)
    for radius in sorted(_radii(rng, int(rng.integers(20, 400)), smallest), reverse=bool(rng.random() < 0.7)):
        _lay(rng, picture, radius * side, palette, fields)
    picture += np.float32(rng.uniform(0, 0.01)) * rng.standard_normal(picture.shape, np.float32)  # of a sensor
    return np.asarray(np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8))


def _radii(rng: np.random.Generator, count: int, smallest: float) -> np.ndarray:
    """Radii whose density falls as their third power: things look alike at every scale."""
    ends = smallest**-2, _LARGEST**-2
    return np.asarray(rng.uniform(ends[1], ends[0], count) ** -0.5)


def _palette(rng: np.random.Generator) -> np.ndarray:
    """(12, 3) colours of one scene, 0..1: related hues, mostly of low saturation, from dark to bright."""
    base = rng.random(3)
    brightness = rng.uniform(0.05, 1.0, (12, 1))
    saturation = rng.beta(1.2, 4, (12, 1))
    hue = np.where(rng.random((12, 1)) < 0.7, base + 0.25 * rng.standard_normal((12, 3)), rng.random((12, 3)))
    return np.asarray(np.clip(brightness * (1 + saturation * 2 * (hue - 0.5)), 0, 1), np.float32)


def _ground(rng: np.random.Generator, side: int, palette: np.ndarray, fields: list[np.ndarray]) -> np.ndarray:
    """A ramp between two colours, plain or clouded."""
    first, second = palette[rng.integers(12, size=2)]
    turn = rng.uniform(0, 2 * np.pi)
    line = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    ramp = np.clip(0.5 + np.cos(turn) * line[:, None] + np.sin(turn) * line, 0, 1)[..., None]
    ground = first + (second - first) * ramp * rng.uniform(0, 1)
    return np.asarray(ground + _texture(rng, (side, side), fields)[..., None], np.float32)


def _texture(rng: np.random.Generator, shape: tuple[int, int], fields: list[np.ndarray]) -> np.ndarray:
    """A piece of noise; in half of all cases hardly visible."""
    field = fields[int(rng.integers(len(fields)))]
    top, left = (int(rng.integers(whole - part + 1)) for whole, part in zip(field.shape, shape, strict=True))
    strength = np.float32(10 ** rng.uniform(-2.4, -0.3))
    return np.asarray(field[top : top + shape[0], left : left + shape[1]] * strength)


def _lay(
    rng: np.random.Generator, picture: np.ndarray, radius: float, palette: np.ndarray, fields: list[np.ndarray]
) -> None:
    """Lay an ellipse or a rectangle at a random place."""
    side = len(picture)
    center = rng.uniform(0, side, 2)
    low, high = (np.clip(center + sign * (1.5 * radius + 2), 0, side).astype(int) for sign in (-1, 1))
    if (high <= low).any():
        return
    rows, columns = (np.arange(low[n], high[n], dtype=np.float32) - np.float32(center[n]) for n in (0, 1))
    turn, flat = rng.uniform(0, np.pi), rng.uniform(0.25, 1)
    along = (np.cos(turn) * columns + np.sin(turn) * rows[:, None]) / radius
    across = (np.cos(turn) * rows[:, None] - np.sin(turn) * columns) / (flat * radius)
    away = np.maximum(abs(along), abs(across)) if rng.random() < 0.4 else np.hypot(along, across)
    soft = 1.0 if rng.random() < 0.75 else rng.uniform(2, 8)
    cover = np.clip((1 - away) * flat * radius / soft, 0, 1)[..., None]
    shade = rng.normal(0, 0.12) * along + rng.normal(0, 0.12) * across * flat
    color = palette[int(rng.integers(12))] + (shade + _texture(rng, away.shape, fields))[..., None]
    part = picture[low[0] : high[0], low[1] : high[1]]
    part += (color - part) * cover
