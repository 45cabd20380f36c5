"""A run of the trainer for any painting: what it learns from, its options, and its recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from realtime.engines.torch.device import choose_device
from realtime.errors import InputError
from realtime.options import AnyTrainOptions
from realtime.transnet.hypernetwork import EMITTED, KERNELS, AnyPaintingCard, load_any_painting
from realtime.transnet.network import Architecture

STEERING = frozenset("steps minutes device threads memory save_minutes preview_minutes sources".split())
"""Options that may change when a run is resumed. Steps and minutes are those of the whole run."""

NETWORK_OPTIONS = ("width", "body", "dilations")
"""The options that make the architecture."""

GRID_SIDE = 80
"""Side in pixels of the smallest crops whose spectrum tells patterns from what is beside them."""

MINUTES = 60.0
"""Length of a run where nobody says."""


@dataclass(frozen=True)
class AnyTrainRun:
    """A run.

    Attributes:
        folders: of paintings, searched with their subfolders.
        content: folder of photographs, searched with its subfolders.
        hold_out: folders of paintings that are left out.
        output: the file to write (.safetensors).
        options: with nothing left to choose but the device.
        architecture, kernels: of the network; see `HyperNetwork`.
    """

    folders: tuple[Path, ...]
    content: Path
    hold_out: tuple[Path, ...]
    output: Path
    options: AnyTrainOptions
    architecture: Architecture = EMITTED
    kernels: int = KERNELS

    @classmethod
    def new(
        cls,
        folders: tuple[Path, ...],
        content: Path,
        output: Path,
        options: AnyTrainOptions | None = None,
        *,
        hold_out: tuple[Path, ...] = (),
    ) -> Self:
        """A run from its beginning, with what is best for its device where the options leave it open.

        Raises:
            InputError: the network to start from cannot be read, or the options do not fit together.
        """
        options = options or AnyTrainOptions()
        known = load_any_painting(Path(options.start))[1] if options.start else AnyPaintingCard()
        given = {name: value for name in NETWORK_OPTIONS if (value := getattr(options, name)) is not None}
        try:
            architecture = replace(known.architecture, **given)
        except ValueError as error:
            raise InputError(f"network: {error}") from None
        if options.start and architecture != known.architecture:
            raise InputError(f"{options.start}: a run that starts from a network keeps its width, body and dilations")
        if options.shares is not None and len(options.shares) != len(folders):
            raise InputError(f"shares: {len(options.shares)} shares for {len(folders)} folders of paintings")
        if options.precision == "fp16":
            raise InputError("precision fp16: is for training on one painting; choose auto, fp32 or bf16")
        on_gpu = choose_device(options.device).type == "cuda"
        chosen: dict[str, Any] = {
            "paintings": options.paintings or (16 if on_gpu else 4),
            "size": options.size or (256 if on_gpu else 192),
            "minutes": options.minutes or (None if options.steps else MINUTES),
        }
        if options.grid and chosen["size"] < GRID_SIDE:
            raise InputError(f"size {chosen['size']}: the grid's loss needs {GRID_SIDE} pixels; --grid 0 leaves it out")
        return cls(folders, content, hold_out, output, options.replace(**chosen), architecture, known.kernels)

    @property
    def size(self) -> int:
        """Side of the crops in pixels."""
        assert self.options.size is not None
        return self.options.size

    @property
    def paintings(self) -> int:
        """Paintings in a step."""
        assert self.options.paintings is not None
        return self.options.paintings

    def recipe(self) -> dict[str, Any]:
        """What the file says of the run: paths by name only, so that it tells nothing of the machine."""
        values = self.options.to_json()
        for name in ("features", "start"):
            values[name] = Path(values[name]).name if values[name] else None
        kept = {k: v for k, v in values.items() if k not in ("device", "threads", "memory", *NETWORK_OPTIONS)}
        files = {
            "folders": [path.name for path in self.folders],
            "content": self.content.name,
            "hold_out": [path.name for path in self.hold_out],
            "output": self.output.name,
        }
        return files | kept

    def changed(self, options: Mapping[str, Any]) -> Self:
        """The run with other options, when it is resumed.

        Raises:
            InputError: an option that cannot change.
        """
        other = self.options.replace(**options)
        different = [n for n in options if n not in STEERING and getattr(other, n) != getattr(self.options, n)]
        if different:
            flags = {field.name: field.flag for field in AnyTrainOptions.fields()}
            raise InputError(
                f"{self.output}: the run to resume has other values of {', '.join(flags[name] for name in different)};"
                f" for another recipe start a new run with --from {self.output}"
            )
        return replace(self, options=other)

    def to_json(self) -> dict[str, Any]:
        """All that another process needs to continue the run, but for its output: JSON values, absolute paths."""
        features, start = self.options.features, self.options.start
        absolute = self.options.replace(
            features=features and features.absolute(), start=start and str(Path(start).absolute())
        )
        return {
            "folders": [str(path.absolute()) for path in self.folders],
            "content": str(self.content.absolute()),
            "hold_out": [str(path.absolute()) for path in self.hold_out],
            "options": absolute.to_json(),
            "architecture": self.architecture.to_dict(),
            "kernels": self.kernels,
        }

    @classmethod
    def from_json(cls, output: Path, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            KeyError, TypeError, ValueError, InputError: the values are those of another version.
        """
        folders, hold_out = (tuple(Path(path) for path in values[name]) for name in ("folders", "hold_out"))
        options = AnyTrainOptions.from_json(values["options"])
        architecture = Architecture.from_dict(values["architecture"])
        return cls(folders, Path(values["content"]), hold_out, output, options, architecture, values["kernels"])
