"""A training run: what it learns from, its options, and its recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from realtime.errors import InputError
from realtime.options import TrainOptions
from realtime.transnet.checkpoint import read_card
from realtime.transnet.gallery import find_style, gallery_folder
from realtime.transnet.network import Architecture

NETWORK = Architecture(body=48, dilations=(1, 2, 2, 2, 1), norm="instance", contours=(4, 8, 16), cell=4)
"""The default network: the best of the trials in checkpoints/README.md, with one period of contours less, so that it
needs under 16 kMAC a pixel."""

NETWORK_OPTIONS = ("width", "body", "dilations", "norm", "contours", "cell", "skip", "fine", "texture")
"""The options that make the architecture."""

STEERING = frozenset("until minutes device threads log_dir preview_every save_every title artist year license".split())
"""Options that do not change what is learned: they are no part of the recipe and may change when a run is resumed."""


@dataclass(frozen=True)
class TrainingRun:
    """A training run.

    Attributes:
        style_image: the painting.
        content: what to learn on: folders of pictures, searched with their subfolders, or clips. None of them stands
            for pictures that are generated.
        output: the checkpoint to write (.safetensors).
        options: with the architecture's options all set.
        legs: recipes of the runs before it that led to the style it starts from, the first one first.
        learned: what `restyle learn` adds to the recipe; empty for other runs.
    """

    style_image: Path
    content: tuple[Path, ...]
    output: Path
    options: TrainOptions
    legs: tuple[dict[str, Any], ...] = ()
    learned: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def new(
        cls, style_image: Path, content: Path | tuple[Path, ...], output: Path, options: TrainOptions | None = None
    ) -> Self:
        """A run from its beginning. The architecture's options that are not given are those of the style to start from.

        Raises:
            InputError: there is no such style, or no network of this architecture.
        """
        options = options or TrainOptions()
        known = NETWORK
        legs: tuple[dict[str, Any], ...] = ()
        if options.start is not None:
            path = find_style(options.start)
            card = read_card(path)
            known = card.architecture
            # the gallery's have cards; a network that was emitted and not trained was made by no run
            if "steps_done" in card.recipe and path.parent.resolve() != gallery_folder().resolve():
                legs = (*card.recipe.get("legs", ()), {k: v for k, v in card.recipe.items() if k != "legs"})
        given = {name: getattr(options, name) for name in NETWORK_OPTIONS}
        network = {name: getattr(known, name) if value is None else value for name, value in given.items()}
        try:
            Architecture(**network)
        except ValueError as error:
            raise InputError(f"network: {error}") from None
        sources = (content,) if isinstance(content, Path) else content
        return cls(style_image, sources, output, options.replace(**network), legs)

    @property
    def architecture(self) -> Architecture:
        """Of the network to train."""
        return Architecture(**{name: getattr(self.options, name) for name in NETWORK_OPTIONS})

    def recipe(self) -> dict[str, Any]:
        """What a checkpoint stores of the run: paths by name only, so that it tells nothing of the machine."""
        values = self.options.to_json()
        for name in ("features", "clips"):
            values[name] = Path(values[name]).name if values[name] else None
        for name in ("start", "teacher"):
            values[name] = Path(values[name]).stem if values[name] else None
        names = ", ".join(path.name for path in self.content)
        files = {"style_image": self.style_image.name, "content": names, "output": self.output.name}
        kept = {k: v for k, v in values.items() if k not in STEERING and k not in NETWORK_OPTIONS}
        return files | {"architecture": self.architecture.to_dict()} | kept | self.learned

    def changed(self, style_image: Path | None, content: Path | None, options: Mapping[str, Any]) -> Self:
        """The run with other files or options, when it is resumed.

        Args:
            style_image, content: where they are now; None: where they were. Their names must be the same.
            options: names and values. `until` and `minutes` are those of one call: they are not kept.

        Raises:
            InputError: the recipe would be another.
        """
        other = replace(
            self,
            style_image=style_image or self.style_image,
            content=(content,) if content is not None else self.content,
            options=self.options.replace(**{"until": None, "minutes": None, **options}),
        )
        before, after = ({**recipe, **recipe["architecture"]} for recipe in (self.recipe(), other.recipe()))
        different = [name for name in before if before[name] != after[name] and name != "architecture"]
        if different:
            flags = {field.name: field.flag for field in TrainOptions.fields()} | {"content": "--content"}
            names = ", ".join(flags.get(name, "STYLE_IMAGE") for name in different)
            raise InputError(
                f"{self.output}: the run to resume has other values of {names}. A resumed run keeps its recipe;"
                f" for another one start a new run with --from {self.output}"
            )
        return other

    def to_json(self) -> dict[str, Any]:
        """All that another process needs to continue the run, but for its output: JSON values, absolute paths."""
        found = {field.name: getattr(self.options, field.name) for field in TrainOptions.fields()}
        paths: dict[str, Any] = {k: v.absolute() for k, v in found.items() if isinstance(v, Path)}
        if self.options.teacher and Path(self.options.teacher).is_file():
            paths["teacher"] = str(Path(self.options.teacher).absolute())
        return {
            "style_image": str(self.style_image.absolute()),
            "content": [str(path.absolute()) for path in self.content],
            "options": self.options.replace(**paths).to_json(),
            "legs": self.legs,
            "learned": self.learned,
        }

    @classmethod
    def from_json(cls, output: Path, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            KeyError, InputError: the values are those of another version.
        """
        options = TrainOptions.from_json(values["options"])
        content = tuple(Path(path) for path in values["content"])
        legs, learned = tuple(values["legs"]), values["learned"]
        return cls(Path(values["style_image"]), content, output, options, legs, learned)
