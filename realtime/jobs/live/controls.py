"""What the keys of the window do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from realtime.jobs.live.knobs import KNOB_OF_KEY
from realtime.jobs.live.painter import Look

Command = Literal["quit", "snapshot", "record", "full-screen"]

STRENGTH_STEP = 0.1
HOLD_STEP, STRONGEST_HOLD = 2.0, 16.0

HELP = (
    "n p\tnext, previous style",
    "1 - 9\tthat style",
    "+ -\tstrength of the style",
    "i k\tpaint: more, less",
    "u j\tstrokes: larger, smaller",
    "t g\ttexture: more, less",
    "c\tkeep the camera's colours",
    "v\tsplit view: camera, style",
    "m\tmirror",
    "] [\thold still areas: stronger, weaker",
    "space\tfreeze",
    "s\tsnapshot",
    "r\trecord: on, off",
    "f\tfull screen",
    "o\toverlay: hide, show",
    "h\tthis help",
    "q\tquit (also: escape)",
)


@dataclass(slots=True)
class Controls:
    """The state that keys change.

    Attributes:
        styles: names of the styles.
        look: how pictures are painted; replaced as a whole, so that other threads may read it.
        overlay: whether the overlay is shown.
        help: whether the help is shown.
    """

    styles: Sequence[str]
    look: Look
    overlay: bool = True
    help: bool = False

    def press(self, key: str) -> Command | None:
        """Applies a key.

        Args:
            key: a name from `Window.keys`; capital and small letters mean the same.

        Returns:
            the command that the caller has to carry out; None where there is none.
        """
        key, look = key.lower(), self.look
        match key:
            case "q" | "escape":
                return "quit"
            case "s":
                return "snapshot"
            case "r":
                return "record"
            case "f":
                return "full-screen"
            case "o":
                self.overlay = not self.overlay
            case "h" | "?":
                self.help = not self.help
            case "n" | "p":
                step = 1 if key == "n" else -1
                self.look = replace(look, style=(look.style + step) % len(self.styles))
            case "+" | "=" | "-" | "_":
                more = STRENGTH_STEP if key in "+=" else -STRENGTH_STEP
                strength = min(1.0, max(0.0, round(look.paint.strength + more, 3)))
                self.look = replace(look, paint=look.paint.replace(strength=strength))
            case "]" | "[":
                hold = look.hold + (HOLD_STEP if key == "]" else -HOLD_STEP)
                self.look = replace(look, hold=min(STRONGEST_HOLD, max(0.0, hold)))
            case _ if key in KNOB_OF_KEY:
                self.look = KNOB_OF_KEY[key].press(key, look)
            case "c":
                self.look = replace(look, paint=look.paint.replace(keep_color=not look.paint.keep_color))
            case "v":
                self.look = replace(look, split=not look.split)
            case "m":
                self.look = replace(look, mirror=not look.mirror)
            case "space":
                self.look = replace(look, freeze=not look.freeze)
            case _ if key in "123456789" and key and int(key) <= len(self.styles):
                self.look = replace(look, style=int(key) - 1)
        return None

    @property
    def style(self) -> str:
        """Name of the chosen style."""
        return self.styles[self.look.style]

    @property
    def words(self) -> str:
        """The settings that differ from the defaults, in words."""
        look = self.look
        said = {
            f"strength {look.paint.strength:.1f}": look.paint.strength < 1,
            "colours kept": look.paint.keep_color,
            "split": look.split,
            "mirrored": look.mirror,
            "frozen": look.freeze,
            f"hold {look.hold:g}": look.hold > 0,
        }
        return ", ".join(text for text, applies in said.items() if applies)
