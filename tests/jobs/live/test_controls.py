"""Keys."""

from __future__ import annotations

import pytest

from realtime.jobs.live.controls import HELP, Controls
from realtime.jobs.live.painter import Look
from realtime.media.live.window import KEY_NAMES
from realtime.options import PaintOptions, StyleOptions


def controls(strength: float = 1.0, texture: float = 1.0, **look: object) -> Controls:
    return Controls(["a", "b", "c"], Look(paint=PaintOptions(strength=strength, texture=texture), **look))  # type: ignore[arg-type]


def test_keys_choose_the_next_the_previous_and_a_numbered_style() -> None:
    keys = controls()
    names = []
    for key in ("n", "n", "n", "p", "p", "2", "9", "0", "1", "N"):
        assert keys.press(key) is None
        names.append(keys.style)
    assert names == ["b", "c", "a", "c", "b", "b", "b", "b", "a", "b"]


def test_strength_stays_between_0_and_1() -> None:
    keys = controls()
    keys.press("+")
    assert keys.look.paint.strength == 1
    for _ in range(4):
        keys.press("-")
    assert keys.look.paint.strength == 0.6
    for _ in range(20):
        keys.press("_")
    assert keys.look.paint.strength == 0
    keys.press("=")
    assert keys.look.paint.strength == 0.1


def test_texture_paint_and_strokes() -> None:
    keys = controls()
    for key in "ttggikkujJ":
        assert keys.press(key) is None
    assert keys.look.paint.texture == 0.8
    assert keys.look.style_options == StyleOptions(paint=0.4, stroke=2**-0.25)
    for _ in range(20):
        for key in "gkj":
            keys.press(key)
    assert keys.look.paint.texture == 0 and keys.look.style_options == StyleOptions(paint=0, stroke=0.5)
    for _ in range(20):
        for key in "tiu":
            keys.press(key)
    assert keys.look.paint.texture == 1 and keys.look.style_options == StyleOptions(paint=1, stroke=2)


def test_hold() -> None:
    keys = controls()
    keys.press("[")
    assert keys.look.hold == 0
    for _ in range(20):
        keys.press("]")
    assert keys.look.hold == 16
    keys.press("[")
    assert keys.look.hold == 14


@pytest.mark.parametrize(("key", "name"), [("v", "split"), ("m", "mirror"), ("space", "freeze")])
def test_switches_are_toggled(key: str, name: str) -> None:
    keys = controls()
    before = keys.look
    keys.press(key)
    assert getattr(keys.look, name) and not getattr(before, name)  # replaced, not changed: another thread reads it
    keys.press(key)
    assert keys.look == before


def test_commands_are_returned_and_other_keys_ignored() -> None:
    keys = controls()
    commands = {"s": "snapshot", "r": "record", "f": "full-screen", "q": "quit", "escape": "quit"}
    for key in (*commands, "x", "tab", ""):
        assert keys.press(key) == commands.get(key)
    assert keys.look == Look()


def test_overlay_and_help() -> None:
    keys = controls()
    keys.press("o")
    keys.press("h")
    assert (keys.overlay, keys.help) == (False, True)


def test_the_help_names_every_key() -> None:
    """Every key in the help does something, and every key that does something is in the help."""
    named = {key for line in HELP for key in line.split("\t")[0].split() if key != "-" or line.startswith("+")}
    named |= {"2", "3"}
    for key in named - {"1", "9"}:
        keys = controls(strength=0.5, texture=0.5, hold=4)
        before = (keys.look, keys.overlay, keys.help)
        command = keys.press(key)
        assert command or (keys.look, keys.overlay, keys.help) != before, key
    for code in [*range(33, 127), *KEY_NAMES]:
        key = KEY_NAMES.get(code, chr(code))
        keys = controls(strength=0.5, texture=0.5, hold=4)
        before = (keys.look, keys.overlay, keys.help)
        if keys.press(key) or (keys.look, keys.overlay, keys.help) != before:
            assert key.lower() in named | {"=", "_", "?", "escape"}, key


def test_words() -> None:
    assert controls().words == ""
    assert controls(strength=0.5, mirror=True, hold=2.0).words == "strength 0.5, mirrored, hold 2"
