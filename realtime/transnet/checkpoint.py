"""Checkpoints: a safetensors file with a network, its architecture, style, recipe and metrics. No pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from realtime.errors import RestyleError, StyleError, one_line
from realtime.transnet.network import Architecture, TransNet

FORMAT = "restyle-transnet"
VERSION = 1


@dataclass(frozen=True, slots=True)
class StyleCard:
    """What a checkpoint says about its style.

    Attributes:
        name: short name, that of the file.
        title, artist, year: of the painting; empty or None where not known.
        architecture: of the network.
        recipe: how it was trained (the options of `restyle train`, with steps done and pictures seen).
        metrics: its scores.
        path: the file it was read from.
    """

    name: str
    title: str = ""
    artist: str = ""
    year: int | None = None
    architecture: Architecture = field(default_factory=Architecture, repr=False)
    recipe: dict[str, Any] = field(default_factory=dict, repr=False)
    metrics: dict[str, Any] = field(default_factory=dict, repr=False)
    path: Path | None = None

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates for one luma pixel."""
        return self.architecture.macs_per_pixel

    @property
    def label(self) -> str:
        """One line for people: "The Starry Night, Vincent van Gogh, 1889"."""
        parts = [self.title or self.name, self.artist, str(self.year) if self.year else ""]
        return ", ".join(p for p in parts if p)


def save_checkpoint(path: Path, network: TransNet, card: StyleCard) -> None:
    """Write a network in fp16 (vectors in fp32).

    Raises:
        RestyleError: the file cannot be written (no such folder, a full disk); an earlier file stays as it was.
    """
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "name": card.name,
        "title": card.title,
        "artist": card.artist,
        "year": str(card.year or ""),
        "architecture": json.dumps(network.architecture.to_dict()),
        "recipe": json.dumps(card.recipe),
        "metrics": json.dumps(card.metrics),
    }
    tensors = {
        k: (v.half() if v.ndim > 1 else v).contiguous()
        for k, v in network.state_dict().items()
        if not k.endswith("num_batches_tracked")
    }
    write_atomically(path, _ordered(save(tensors, metadata)))


def _ordered(data: bytes) -> bytes:
    """A safetensors file with its header in a fixed order, so that equal networks become equal files."""
    size = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under another name and then rename it, so that it is complete or not there.

    Raises:
        RestyleError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise RestyleError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_tensors(path: Path, format: str, what: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The metadata and the tensors of a safetensors file.

    Args:
        path: of the file.
        format: what its metadata must name.
        what: the file in words, for messages.

    Raises:
        StyleError: the file is missing, damaged, or of another format.
    """
    if path.is_dir():
        raise StyleError(f"{path}: is a folder, not {what}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {k: file.get_tensor(k) for k in file.keys()} if metadata.get("format") == format else {}
    except FileNotFoundError:
        raise StyleError(f"{path}: no such style file") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise StyleError(f"{path}: not {what}, or damaged: {error}") from None
    if metadata.get("format") != format:
        raise StyleError(f"{path}: a safetensors file, but not {what} (its metadata says no '{format}')")
    return metadata, tensors


_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
"""Types of stored weights."""

Network = TypeVar("Network", bound=nn.Module)


def check_fit(path: Path, tensors: Mapping[str, Tensor], make: Callable[[], Network]) -> Network:
    """Check that tensors are the state of a network, before memory is taken for it.

    Args:
        path: their file, for messages.
        tensors: by their names.
        make: makes the network.

    Returns:
        what `make` gave, on the device "meta".

    Raises:
        StyleError: the tensors are something else or not finite, or there is no such network.
    """
    try:
        with torch.device("meta"):  # sizes that a file names take no memory yet
            network = make()
    except (RuntimeError, TypeError, ValueError) as error:
        raise StyleError(f"{path}: damaged metadata: {one_line(error)}") from None
    expected = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    wrong = [k for k, v in expected.items() if k not in tensors or tensors[k].shape != v.shape]
    wrong += [k for k, v in tensors.items() if k not in expected or v.dtype not in _DTYPES]
    if wrong:
        raise StyleError(f"{path}: the weights do not fit the architecture it names ({', '.join(sorted(wrong)[:3])})")
    # A sum of values that are finite in fp16 is finite in fp32; looking at each of them takes many times as long.
    if not all(bool(torch.isfinite(v.sum(dtype=torch.float32))) for v in tensors.values()):
        raise StyleError(f"{path}: damaged: weights that are not finite")
    return network


def _open(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    return read_tensors(path, FORMAT, "a checkpoint")


def _card(path: Path, metadata: dict[str, str]) -> StyleCard:
    try:
        version = int(metadata["version"])
        if version > VERSION:
            raise StyleError(f"{path}: made by a newer restyle (format {version}, this one reads {VERSION})")
        return StyleCard(
            name=metadata.get("name") or path.stem,
            title=metadata.get("title", ""),
            artist=metadata.get("artist", ""),
            year=int(metadata["year"]) if metadata.get("year") else None,
            architecture=Architecture.from_dict(json.loads(metadata["architecture"])),
            recipe=json.loads(metadata.get("recipe", "{}")),
            metrics=json.loads(metadata.get("metrics", "{}")),
            path=path,
        )
    except (KeyError, ValueError, TypeError) as error:
        raise StyleError(f"{path}: damaged metadata: {error}") from None


def read_card(path: Path) -> StyleCard:
    """A checkpoint's card, without its weights.

    Raises:
        StyleError: the file is missing, damaged, or not a checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (FileNotFoundError, SafetensorError, OSError, ValueError):
        metadata = {}
    if metadata.get("format") != FORMAT:
        metadata, _ = _open(path)  # says what is wrong
    return _card(path, metadata)


def load_checkpoint(path: Path) -> tuple[TransNet, StyleCard]:
    """A network in its training form (fp32, eval mode) and its card.

    Raises:
        StyleError: the file is missing, damaged, or not a checkpoint.
    """
    metadata, tensors = _open(path)
    card = _card(path, metadata)
    check_fit(path, tensors, lambda: TransNet(card.architecture))
    network = TransNet(card.architecture)
    network.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=False)
    return network.eval(), card
