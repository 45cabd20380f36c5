"""Where a run keeps the files beside its checkpoint. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path


def state_path(output: Path) -> Path:
    """The state, from which the run can be resumed."""
    return output.with_name(output.stem + ".state.safetensors")


def log_path(output: Path) -> Path:
    """The log of `restyle train`: one JSON object a line."""
    return output.with_name(output.stem + ".log.jsonl")


def preview_path(output: Path, suffix: str) -> Path:
    """The preview: .png of `restyle train`, .jpg of `restyle learn`."""
    return output.with_name(output.stem + ".preview" + suffix)


def card_path(output: Path) -> Path:
    """The card."""
    return output.with_suffix(".md")
