"""The gallery: the styles that come with restyle."""

from __future__ import annotations

import difflib
from pathlib import Path

from realtime.errors import StyleError
from realtime.transnet.checkpoint import StyleCard, read_card

_PACKAGE = Path(__file__).resolve().parent.parent


def gallery_folder() -> Path:
    """The gallery's folder: inside the package when installed, beside it in a checkout."""
    inside = _PACKAGE / "checkpoints"
    return inside if inside.is_dir() else _PACKAGE.parent / "checkpoints"


def styles() -> list[StyleCard]:
    """The cards of all styles in the gallery, by name.

    Raises:
        StyleError: a checkpoint in the gallery is damaged.
    """
    paths = gallery_folder().glob("*.safetensors")
    return [read_card(path) for path in sorted(paths, key=lambda path: path.stem)]  # a variant after its style


def find_style(style: str | Path) -> Path:
    """The checkpoint for a path or for a name from the gallery.

    A variant follows a colon: "udnie:quality" is the style udnie-quality.

    Raises:
        StyleError: there is no such style; the message lists the names.
    """
    text = str(style)
    path = Path(text)
    if path.suffix or path.parent != Path():
        if not path.exists():
            raise StyleError(f"{path}: no such style file")
        return path
    named = gallery_folder() / f"{text.replace(':', '-')}.safetensors"
    if named.is_file():
        return named
    names = sorted(p.stem for p in gallery_folder().glob("*.safetensors"))
    near = difflib.get_close_matches(text, names, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise StyleError(f"unknown style {text!r}: {hint}the gallery has {', '.join(names) or 'no styles'}")
