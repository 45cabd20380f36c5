"""Stores the statistics of the gallery's paintings beside the network that takes any painting, for blends with gallery
styles: python -m tools.gallery_statistics FOLDER [--network FILE]

The folder holds a picture for each style, named as the style is; a variant has the painting of its style. Only the
statistics are stored, never the pictures. They fit the weights of that file only: run this again for others.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from realtime.errors import InputError, RestyleError, one_line
from realtime.media.files.stills import find_images
from realtime.style.emitted import measure_statistics
from realtime.transnet.gallery import any_painting_files, style_names
from realtime.transnet.hypernetwork import load_any_painting, load_encoder, save_any_painting


def paintings(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """The picture of each style that is no variant of another.

    Raises:
        InputError: one is missing.
    """
    pictures = {path.stem: path for path in find_images([folder])}
    found = {}
    for name in names:
        if any(name.startswith(f"{other}-") for other in names):
            continue
        if name not in pictures:
            raise InputError(f"{folder}: holds no picture named {name}")
        found[name] = pictures[name]
    return found


def add_statistics(file: Path, encoder_file: Path, pictures: dict[str, Path]) -> None:
    """Writes a network again, with the statistics of these pictures in the place of those it had.

    Args:
        file: of the network that takes any painting.
        encoder_file: of its encoder.
        pictures: by the names of the styles.

    Raises:
        RestyleError: a file cannot be read or written.
    """
    network, card = load_any_painting(file)
    encoder = load_encoder(encoder_file)
    gallery = {name: measure_statistics(network, encoder, path) for name, path in pictures.items()}
    save_any_painting(file, network, replace(card, gallery=gallery))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    shipped, encoder = any_painting_files()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of the paintings")
    parser.add_argument("--network", type=Path, default=shipped, metavar="FILE", help="default: the shipped one")
    given = parser.parse_args(arguments)
    try:
        pictures = paintings(given.folder, style_names())
        add_statistics(given.network, encoder, pictures)
    except RestyleError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    print(f"{given.network}: statistics of {', '.join(pictures)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
