"""The checks of what `restyle learn` reads and writes, made before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path

from realtime.errors import InputError
from realtime.options import LearnOptions
from realtime.style.painting import read_painting
from realtime.training.paths import card_path, preview_path, state_path

PREVIEW = ".jpg"
"""Format of the preview."""


def check_files(painting: Path, output: Path, options: LearnOptions) -> None:
    """Check that everything that is read is there, and that nothing is written over.

    Raises:
        InputError: the message says what is wrong, and what to do.
    """
    if output.suffix != ".safetensors":
        raise InputError(f"{output}: a checkpoint's name ends in .safetensors")
    if not output.parent.is_dir():
        raise InputError(f"{output.parent}: no such folder")
    if output.is_dir():
        raise InputError(f"{output}: is a folder")
    read_painting(painting)
    if options.on is not None and not options.on.exists():
        raise InputError(f"--on {options.on}: no such file or folder")
    if options.content is not None and not options.content.is_dir():
        raise InputError(f"--content {options.content}: no such folder")
    if options.features is not None and not options.features.is_file():
        raise InputError(f"--features {options.features}: no such file")
    _check_outputs(output, options)


def _check_outputs(output: Path, options: LearnOptions) -> None:
    state = state_path(output)
    if options.resume and not state.is_file():
        raise InputError(f"{state}: no such file; there is no polish of {output} to continue")
    if options.overwrite:
        return
    written = [output, card_path(output)]
    if not options.resume:
        if state.exists():
            raise InputError(
                f"{output}: its polish was stopped; continue with --resume, or begin anew with --overwrite"
            )
        written += [preview_path(output, PREVIEW)] if polishes(options) else []
    for path in written:
        if path.exists():
            raise InputError(f"{path}: exists; choose another output, or add --overwrite")


def polishes(options: LearnOptions) -> bool:
    """Whether there is a polish."""
    return options.minutes > 0 or options.steps is not None
