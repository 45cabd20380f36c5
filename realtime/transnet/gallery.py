"""The gallery: the styles that come with restyle."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.errors import StyleError

if TYPE_CHECKING:
    from realtime.transnet.checkpoint import StyleCard

ANY_PAINTING, ENCODER = "any-painting", "any-painting-encoder"
"""Names of the files of the network that takes any painting. They are no styles."""

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
    # Imported here, so that a wrong name is found before torch is imported.
    from realtime.transnet.checkpoint import read_card

    return [read_card(gallery_folder() / f"{name}.safetensors") for name in style_names()]


def style_names() -> list[str]:
    """The names of all styles in the gallery, sorted: a variant stands after its style."""
    return sorted(
        path.stem for path in gallery_folder().glob("*.safetensors") if path.stem not in (ANY_PAINTING, ENCODER)
    )


def any_painting_files() -> tuple[Path, Path]:
    """The network that takes any painting (see `realtime.transnet.hypernetwork`), and its encoder."""
    folder = gallery_folder()
    return folder / f"{ANY_PAINTING}.safetensors", folder / f"{ENCODER}.safetensors"


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
    names = style_names()
    if text.replace(":", "-") in names:
        return gallery_folder() / f"{text.replace(':', '-')}.safetensors"
    near = difflib.get_close_matches(text, names, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise StyleError(f"unknown style {text!r}: {hint}the gallery has {', '.join(names) or 'no styles'}")
