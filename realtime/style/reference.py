"""What the text of a STYLE names: a style of the gallery, a file, or a blend of several.

    NAME  NAME:quality        the gallery
    FILE                      a checkpoint (.safetensors), an exported network (.onnx), or a picture
    TERM:WEIGHT+TERM:WEIGHT   a blend of these; a term without a weight counts 1

A name of the gallery always means the gallery (./NAME is a file). After that, a file of exactly the name that is given
is that file, whatever signs its name holds. Pictures are told by their content, never by their names.
"""

from __future__ import annotations

import math
import os
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from realtime.errors import InputError, StyleError
from realtime.options import StyleOptions
from realtime.style.painting import is_picture
from realtime.transnet.gallery import find_style, gallery_folder, style_names

Kind = Literal["gallery", "checkpoint", "onnx", "picture"]

_LONGEST_NAME = 64
_LONGEST_HEADER = 100_000_000
"""Bytes of the header of a safetensors file; the format allows no more."""


@dataclass(frozen=True, slots=True)
class Term:
    """One style, alone or in a blend.

    Attributes:
        kind: what it is.
        path: its file; of a gallery style its checkpoint.
        weight: its share. Those of a blend add up to 1.
    """

    kind: Kind
    path: Path
    weight: float = 1.0

    @property
    def name(self) -> str:
        """For people: the file's name without its ending and without control characters."""
        shown = "".join(c for c in self.path.stem if unicodedata.category(c)[0] != "C")
        return " ".join(shown.split())[:_LONGEST_NAME] or "picture"


@dataclass(frozen=True, slots=True)
class StyleReference:
    """What a text names.

    Attributes:
        terms: one, or those of a blend.
    """

    terms: tuple[Term, ...]

    @property
    def is_blend(self) -> bool:
        """Whether there are several terms."""
        return len(self.terms) > 1

    @property
    def is_emitted(self) -> bool:
        """Whether a network is made for it: it is a picture or a blend."""
        return self.is_blend or self.terms[0].kind == "picture"

    @property
    def is_adjustable(self) -> bool:
        """Whether the amount of paint and the size of the strokes can be chosen."""
        return self.is_emitted and all(term.kind in ("picture", "gallery") for term in self.terms)

    @property
    def name(self) -> str:
        """For people, in one line: "my-picture", or "great-wave:0.6+my-picture:0.4"."""
        if not self.is_blend:
            return self.terms[0].name
        return "+".join(f"{term.name}:{term.weight:.3g}" for term in self.terms)

    @property
    def text(self) -> str:
        """As it can be given again where its files are in the working directory."""
        names = [term.name if term.kind == "gallery" else term.path.name for term in self.terms]
        if not self.is_blend:
            return names[0]
        return "+".join(f"{name}:{term.weight:.3g}" for name, term in zip(names, self.terms, strict=True))

    def check(self, options: StyleOptions) -> None:
        """Refuses options for which the network has no inputs.

        Raises:
            InputError: an option is given and the style is none that a network is made for.
        """
        if not options.given or self.is_adjustable:
            return
        name, kind = next((t.name, t.kind) for t in self.terms if not (self.is_blend and t.kind == "gallery"))
        what = {"gallery": "a gallery style", "checkpoint": "a checkpoint", "onnx": "an exported network"}.get(kind)
        raise InputError(
            f"{name}: is {what}, which has no inputs for paint and stroke; they are for pictures, and for blends of"
            " pictures and gallery styles"
        )


def parse_style(style: str | Path) -> StyleReference:
    """What a text or a path names. Files are looked at, not loaded.

    Raises:
        StyleError: there is no such style, a file is neither a network nor a picture, or a blend is malformed.
    """
    text = os.fspath(style)
    if not text.strip():
        raise StyleError(f"{text!r}: no style is named; give one of the gallery, a file, or a blend of them")
    found = _look_up(text)
    if found is not None:
        return StyleReference((found,))
    terms = [_term(piece, text) for piece in _pieces(text)]
    most = max(term.weight for term in terms)
    if most == 0:
        raise StyleError(f"{text}: all weights are 0; at least one term needs a weight above 0")
    parts = [term.weight / most for term in terms]  # first, so that the sum of very large weights is finite
    # Rounded, so that 3 and 2 are the same blend as 0.6 and 0.4.
    shares = [round(part / sum(parts), 9) for part in parts]
    terms = [replace(term, weight=share) for term, share in zip(terms, shares, strict=True) if share > 0]
    if len(terms) > 1 and (exported := next((term for term in terms if term.kind == "onnx"), None)):
        raise StyleError(f"{exported.path}: is an exported network, whose weights cannot be blended")
    return StyleReference(tuple(terms))


def _pieces(text: str) -> list[str]:
    """The terms of a blend. A "+" in the name of a file that exists belongs to the name."""
    parts, pieces = text.split("+"), []
    while parts:
        count = 1
        for length in range(len(parts), 1, -1):
            whole = "+".join(parts[:length])
            name, _, weight = whole.rpartition(":")
            if os.path.isfile(whole) or (_number(weight) is not None and os.path.isfile(name)):
                count = length
                break
        pieces.append("+".join(parts[:count]))
        del parts[:count]
    return pieces


def _term(piece: str, text: str) -> Term:
    """A term with its weight as it is given.

    Raises:
        StyleError: see `parse_style`.
    """
    if not piece.strip():
        raise StyleError(f"{text}: a term of this blend is empty; write NAME:WEIGHT+NAME:WEIGHT")
    found = _look_up(piece)
    if found is not None:
        return found
    name, _, weight_text = piece.rpartition(":")
    found = _look_up(name) if name else None
    weight = _number(weight_text)
    if found is None:
        raise _unknown(name if name and weight is not None else piece)
    if weight is None:
        variants = [n for n in style_names() if n.startswith(f"{name}-")] if found.kind == "gallery" else []
        hint = f"; variants: {', '.join(n.replace(f'{name}-', f'{name}:') for n in variants)}" if variants else ""
        raise StyleError(f"{piece}: {weight_text!r} is no weight (a number) and no variant of {name}{hint}")
    if not 0 <= weight < math.inf:
        raise StyleError(f"{piece}: the weight {weight_text} is not a number of 0 or more")
    return replace(found, weight=weight)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _look_up(text: str) -> Term | None:
    """The gallery style or the file of exactly this name; None where there is neither.

    Raises:
        StyleError: the file is neither a network nor a picture, or cannot be read.
    """
    if (name := text.replace(":", "-")) in style_names():
        return Term("gallery", gallery_folder() / f"{name}.safetensors")
    if not os.path.isfile(text):  # never raises, as Path.exists does for some texts
        return None
    return Term(_kind_of_file(Path(text)), Path(text))


def _kind_of_file(path: Path) -> Kind:
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise StyleError(f"{path}: cannot be read ({error.strerror})") from None
    if not head:
        raise StyleError(f"{path}: the file is empty")
    if is_picture(path):
        return "picture"
    if path.suffix.lower() == ".onnx":
        return "onnx"
    # A safetensors file begins with the length of its header, which is JSON.
    is_tensors = head[8:] == b"{" and int.from_bytes(head[:8], "little") <= _LONGEST_HEADER
    if is_tensors or path.suffix.lower() == ".safetensors":
        return "checkpoint"
    raise StyleError(f"{path}: is neither a network (.safetensors, .onnx) nor a picture that can be read")


def _unknown(text: str) -> StyleError:
    """What is wrong with a name that names nothing."""
    path = Path(text)
    if os.path.isdir(text):
        return StyleError(f"{path}: is a folder, not a style")
    if os.path.exists(text):
        return StyleError(f"{path}: is not a regular file, and so no style")
    try:
        find_style(text)
    except (StyleError, OSError, ValueError) as error:
        return error if isinstance(error, StyleError) else StyleError(f"{text!r}: no such style ({error})")
    return StyleError(f"{path}: no such style file")
