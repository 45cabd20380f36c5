"""The loss of a picture and its gradient: at once, or added up over tiles in a bounded memory.

A Gram matrix is a sum over pixels, and the style error a function of that sum. So its gradient can be computed tile by
tile: a first pass without gradients computes the matrices, these give the error's gradient by matrix, and a second pass
carries it into each tile. Each tile has a margin as wide as the loss network's reach, and each feature belongs to one
tile: the sum over tiles is the gradient of the whole picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from realtime.errors import InputError
from realtime.painting.recipes import Recipe
from realtime.perception.features import LossNetwork
from realtime.perception.losses import content_divisor, gram, gram_error, temporal_error, total_variation


@dataclass(frozen=True, slots=True, eq=False)
class StyleTarget:
    """The style of a painting.

    Attributes:
        grams: the painting's Gram matrix at each style layer of the recipe, (C, C) fp32.
        share: of the style error.
        guide: (1, 1, H, W) in 0..1, where in the picture the style goes; None: everywhere.
    """

    grams: tuple[Tensor, ...]
    share: float = 1.0
    guide: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TemporalTarget:
    """What is known of a video's frame from the previous one (Ruder et al. 2016, arXiv 1604.08610).

    Attributes:
        moved: (1, 3, H, W), the painting of the previous frame, moved by the optical flow.
        valid: (1, 1, H, W), 1 where the flow can be trusted.
        weight: of the mean square difference to it there.
    """

    moved: Tensor
    valid: Tensor
    weight: float


def _wide(features: Tensor) -> Tensor:
    """In fp32; fp64 stays."""
    return features if features.dtype == torch.float64 else features.float()


@torch.no_grad()
def style_grams(network: LossNetwork, recipe: Recipe, painting: Tensor) -> tuple[Tensor, ...]:
    """Gram matrices of a painting (1, 3, H, W) in 0..1 at the recipe's style layers."""
    return tuple(gram(f)[0] for f in network(painting, [name for name, _ in recipe.style]))


@dataclass(frozen=True, slots=True)
class _Tile:
    """Rows and columns of a tile; `outer` with its margins."""

    inner: tuple[slice, slice]
    outer: tuple[slice, slice]


class Objective:
    """The loss of a recipe for one photograph and its paintings.

    Args:
        network: the loss network, on the device and in the precision to compute in.
        recipe: its layers are in the network.
        content: (1, 3, H, W) in 0..1, the photograph.
        styles: the paintings.
        tile: side in pixels of the tiles over which gradients are added up; None takes the whole picture at once.
        recompute: less memory for the backward pass; see `LossNetwork.forward`.
        temporal: for frames of a video.

    Raises:
        InputError: a guide is empty.
    """

    def __init__(
        self,
        network: LossNetwork,
        recipe: Recipe,
        content: Tensor,
        styles: Sequence[StyleTarget],
        *,
        tile: int | None = None,
        recompute: bool = False,
        temporal: TemporalTarget | None = None,
    ) -> None:
        self.network, self.recipe, self.styles = network, recipe, list(styles)
        self.tile, self.recompute, self.temporal = tile, recompute, temporal
        self.layers = recipe.layers
        with torch.no_grad():
            found = dict(zip(self.layers, self._features(content, recompute=False), strict=True))
        self._sizes = {name: (f.shape[2], f.shape[3]) for name, f in found.items()}
        self._content = [(name, weight, _wide(found[name])) for name, weight in recipe.content if weight]
        self._divisors = [content_divisor(target, recipe.content_error) for _, _, target in self._content]
        self._guides = [
            [None if s.guide is None else self._guide(s.guide, name, content) for name, _ in recipe.style]
            for s in self.styles
        ]

    def _features(self, picture: Tensor, *, recompute: bool) -> list[Tensor]:
        features: list[Tensor] = self.network(picture, self.layers, recompute=recompute)
        return features

    def _guide(self, guide: Tensor, name: str, content: Tensor) -> Tensor:
        """A guide at a layer's size: the mean over the area of each feature."""
        small = F.interpolate(guide.to(content), size=self._sizes.get(name, (1, 1)), mode="area")
        if float(small.square().sum()) <= 0:
            raise InputError("a mask is black everywhere at this size, which leaves no place for its painting")
        return small

    def __call__(self, picture: Tensor) -> dict[str, Tensor]:
        """The losses of a picture (1, 3, H, W), unweighted, and their weighted "total". Differentiable."""
        features = dict(zip(self.layers, self._features(picture, recompute=self.recompute), strict=True))
        parts = {
            "content": self._content_errors({name: (_wide(features[name]), t) for name, _, t in self._content}),
            "style": self._style_error(
                [[self._part(features[n], g) / self._weight(n, g) for n, g in self._named(i)] for i in self._indices]
            ),
            **self._picture_terms(picture),
        }
        return parts | {"total": self._total(parts)}

    def backward(self, picture: Tensor) -> dict[str, float]:
        """The losses of a picture as numbers; its gradient is added to `picture.grad`.

        Args:
            picture: (1, 3, H, W), a leaf that requires gradients.
        """
        if self.tile is None:
            parts = self(picture)
            parts["total"].backward()
            return {name: float(value.detach()) for name, value in parts.items()}
        return self._backward_in_tiles(picture)

    # The parts of the loss

    @property
    def _indices(self) -> range:
        return range(len(self.styles))

    def _named(self, index: int) -> list[tuple[str, Tensor | None]]:
        """Style layers with the guides of a painting."""
        return [(name, g) for (name, w), g in zip(self.recipe.style, self._guides[index], strict=True) if w]

    def _weight(self, name: str, guide: Tensor | None) -> float:
        """Divisor of the sum over pixels."""
        height, width = self._sizes[name]
        return float(height * width) if guide is None else float(guide.square().sum())

    def _part(self, features: Tensor, guide: Tensor | None) -> Tensor:
        """F F^T of features (1, C, H, W), summed over their pixels: (C, C)."""
        guided = features if guide is None else features * guide.to(features.dtype)
        return gram(guided)[0] * (features.shape[2] * features.shape[3])

    def _content_errors(self, pairs: dict[str, tuple[Tensor, Tensor]]) -> Tensor:
        """The weighted sum over layers; for a tile, its share of it."""
        errors = [
            weight * ((pairs[name][0] - pairs[name][1]) ** 2).sum() / divisor
            for (name, weight, _), divisor in zip(self._content, self._divisors, strict=True)
        ]
        return torch.stack(errors).sum()

    def _style_error(self, matrices: list[list[Tensor]]) -> Tensor:
        """The weighted sum over layers and paintings.

        Args:
            matrices: for each painting, for each style layer with a weight, (C, C).
        """
        whole = sum(s.share for s in self.styles)
        counted = [(place, weight) for place, (_, weight) in enumerate(self.recipe.style) if weight]
        errors = [
            s.share / whole * weight * gram_error(matrix, s.grams[place].to(matrix), self.recipe.gram)
            for s, of_style in zip(self.styles, matrices, strict=True)
            for (place, weight), matrix in zip(counted, of_style, strict=True)
        ]
        return torch.stack(errors).sum()

    def _picture_terms(self, picture: Tensor) -> dict[str, Tensor]:
        parts = {}
        if self.recipe.tv:
            parts["tv"] = total_variation(picture).sum()
        if self.temporal is not None:
            s = self.temporal
            parts["temporal"] = temporal_error(picture, s.moved.to(picture), s.valid.to(picture)).sum()
        return parts

    def _total(self, parts: dict[str, Tensor]) -> Tensor:
        weights = {"content": self.recipe.content_weight, "style": self.recipe.style_weight, "tv": self.recipe.tv}
        if self.temporal is not None:
            weights["temporal"] = self.temporal.weight
        return torch.stack([weights[name] * value for name, value in parts.items()]).sum()

    # In tiles

    def _tiles(self, height: int, width: int) -> Iterator[_Tile]:
        geometry = [self.network.geometry(name) for name in self.layers]
        step = max(stride for stride, _ in geometry)
        margin = -(-max(reach for _, reach in geometry) // step) * step
        side = max(1, (self.tile or 0) // step) * step

        def spans(length: int) -> list[tuple[slice, slice]]:
            # A last tile narrower than a step would have no features.
            count = max(1, length // side)
            firsts = [n * side for n in range(count)]
            lasts = [*firsts[1:], length]
            return [
                (slice(a, b), slice(max(0, a - margin), min(length, b + margin)))
                for a, b in zip(firsts, lasts, strict=True)
            ]

        for down in spans(height):
            for across in spans(width):
                yield _Tile((down[0], across[0]), (down[1], across[1]))

    def _placed(self, name: str, tile: _Tile, size: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Slices of a tile's features: without its margins, in the tile and in the whole picture."""
        stride, _ = self.network.geometry(name)
        own, whole = [], []
        for inner, outer, length, side in zip(tile.inner, tile.outer, self._sizes[name], size, strict=True):
            first = inner.start // stride
            last = length if inner.stop == side else inner.stop // stride
            own.append(slice(first - outer.start // stride, last - outer.start // stride))
            whole.append(slice(first, last))
        return (own[0], own[1]), (whole[0], whole[1])

    def _tile_features(self, crop: Tensor, tile: _Tile, size: tuple[int, int], *, recompute: bool) -> dict[str, Tensor]:
        found = dict(zip(self.layers, self._features(crop, recompute=recompute), strict=True))
        return {name: f[(..., *self._placed(name, tile, size)[0])] for name, f in found.items()}

    def _cut(self, name: str, guide: Tensor | None, tile: _Tile, size: tuple[int, int]) -> Tensor | None:
        return None if guide is None else guide[(..., *self._placed(name, tile, size)[1])]

    def _tile_parts(self, features: dict[str, Tensor], tile: _Tile, size: tuple[int, int]) -> list[list[Tensor]]:
        return [
            [self._part(features[n], self._cut(n, g, tile, size)) / self._weight(n, g) for n, g in self._named(i)]
            for i in self._indices
        ]

    def _tiled_matrices(self, picture: Tensor, tiles: Sequence[_Tile], size: tuple[int, int]) -> list[list[Tensor]]:
        """The Gram matrices of the whole picture, as leaves of the style error's graph."""
        matrices: list[list[Tensor]] = []
        with torch.no_grad():
            for tile in tiles:
                crop = picture[(..., *tile.outer)]
                share = self._tile_parts(self._tile_features(crop, tile, size, recompute=False), tile, size)
                if matrices:
                    pairs = zip(matrices, share, strict=True)
                    share = [[a + b for a, b in zip(so_far, more, strict=True)] for so_far, more in pairs]
                matrices = share
        return [[m.detach().requires_grad_() for m in of_style] for of_style in matrices]

    def _backward_in_tiles(self, picture: Tensor) -> dict[str, float]:
        size = (picture.shape[2], picture.shape[3])
        tiles = list(self._tiles(*size))
        matrices = self._tiled_matrices(picture, tiles, size)
        style = self._style_error(matrices)
        (self.recipe.style_weight * style).backward()
        content = 0.0
        gradient = torch.zeros_like(picture)
        for tile in tiles:
            crop = picture.detach()[(..., *tile.outer)].clone().requires_grad_()
            features = self._tile_features(crop, tile, size, recompute=self.recompute)
            pairs = {
                name: (_wide(features[name]), target[(..., *self._placed(name, tile, size)[1])])
                for name, _, target in self._content
            }
            error = self._content_errors(pairs)
            carried = [
                (leaf.grad * matrix).sum()
                for of_style, of_tile in zip(matrices, self._tile_parts(features, tile, size), strict=True)
                for leaf, matrix in zip(of_style, of_tile, strict=True)
                if leaf.grad is not None
            ]
            torch.stack([self.recipe.content_weight * error, *carried]).sum().backward()
            content += float(error.detach())
            assert crop.grad is not None
            gradient[(..., *tile.outer)] += crop.grad
        whole = picture.detach().clone().requires_grad_()
        parts = {"content": gradient.new_tensor(content), "style": style.detach(), **self._picture_terms(whole)}
        terms = self._total(parts)
        if terms.requires_grad:
            terms.backward()
            assert whole.grad is not None
            gradient += whole.grad
        picture.grad = gradient if picture.grad is None else picture.grad + gradient
        return {name: float(value.detach()) for name, value in (parts | {"total": terms}).items()}
