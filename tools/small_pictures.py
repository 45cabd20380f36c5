"""Copies folders of pictures as small JPEGs: python -m tools.small_pictures OUT SIDE QUALITY FOLDER...

Training looks at pictures at a small size. So a set of them can travel to another machine in a fraction of its bytes.
Each folder becomes OUT/NAME; sides are those of the short side, and pictures are never enlarged.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from realtime.media.convert.rgb import resize_image
from realtime.media.files.stills import read_image
from realtime.training.data import find_pictures


def copy_small(folder: Path, out: Path, side: int, quality: int) -> int:
    """Copy the pictures of a folder and its subfolders.

    Args:
        folder: of pictures.
        out: folder that is made; files are numbered.
        side: short side in pixels.
        quality: of the JPEGs, 1..95.

    Returns:
        bytes written.
    """
    out.mkdir(parents=True)
    written = 0
    for number, path in enumerate(find_pictures(folder)):
        picture = read_image(path)
        if min(picture.shape[:2]) > side:
            picture = resize_image(picture, side)
        target = out / f"{number:05}.jpg"
        Image.fromarray(picture).save(target, quality=quality)
        written += target.stat().st_size
    return written


if __name__ == "__main__":
    out, side, quality, *folders = sys.argv[1:]
    for name in folders:
        size = copy_small(Path(name), Path(out) / Path(name).name, int(side), int(quality))
        print(f"{name}: {size / 2**20:.1f} MiB")
