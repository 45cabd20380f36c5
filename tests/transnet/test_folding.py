"""The folded network gives what the trained one gives, in the source's own colours."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from realtime.transnet.color import codes_to_codes
from realtime.transnet.folding import TRAINED_IN, PictureNorm, fold, plane_matrix
from realtime.transnet.network import FLOOR, Architecture, pack_planes
from realtime.transnet.texture import TEXTURE_SCALE
from tests.helpers.textured import textured_network, with_texture
from tests.helpers.transnets import BODIES, VARIANTS, random_network


def codes(height: int = 32, width: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    y = torch.randint(16, 236, (1, 1, height, width), generator=generator).float()
    return y, torch.randint(60, 200, (1, 2, height // 2, width // 2), generator=generator).float()


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_folding_changes_nothing(body: dict) -> None:
    network = random_network(Architecture(width=8, body=16, dilations=(1, 2), **body))
    planes = pack_planes(*codes())
    packed = with_texture(planes, network.architecture)
    as_codes = torch.cat([planes * 64, packed[:, 24:] * TEXTURE_SCALE], 1)
    with torch.no_grad():
        assert torch.allclose(fold(network)(as_codes), network(packed) * 64, atol=1e-2)


@pytest.mark.parametrize("variant", [TRAINED_IN, ("bt601", "full")])
def test_the_texture_plane_keeps_its_meaning(variant: tuple) -> None:
    """It comes as codes, and has no colours: the source's matrix and range are nothing to it."""
    network = textured_network()
    texture, planes = torch.randn(1, 4, 8, 10), pack_planes(*codes())
    folded = fold(network, *variant)
    weight = folded.stem.weight[:, 24:] * TEXTURE_SCALE
    assert torch.allclose(weight, network.stem.weight[:, 24:], atol=1e-6)
    with torch.no_grad():
        got, other = (folded(torch.cat([planes * 64, t * TEXTURE_SCALE], 1)) for t in (texture, -texture))
        assert float((got - other).abs().mean()) > 0.5


def test_a_picture_norm_is_the_same_from_given_statistics() -> None:
    """That is how devices other than the CPU compute it, and the CPU for crops of one picture."""
    norm = PictureNorm(torch.randn(6), torch.randn(6))
    x = (torch.randn(1, 6, 20, 30) * 3 + 1).to(memory_format=torch.channels_last)
    with torch.no_grad():
        got = norm.scaled(x, *torch.var_mean(x, (2, 3), keepdim=True, unbiased=False))
    assert got.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(got, norm(x), atol=1e-5)


def test_a_large_picture_is_normalised_exactly() -> None:
    norm = PictureNorm(torch.ones(8), torch.zeros(8))
    x = torch.randn(1, 8, 270, 480) + 4
    with torch.no_grad():
        got = norm(x.to(memory_format=torch.channels_last))
        want = F.group_norm(x.double(), 8, eps=FLOOR)
    assert got.is_contiguous(memory_format=torch.channels_last)
    assert float((got - want).abs().max()) < 1e-5


@pytest.mark.parametrize("variant", VARIANTS)
def test_folded_colours_are_converted_colours(variant: tuple) -> None:
    """Fold the conversion, or convert the planes (chroma nearest-upsampled) before and after: the same."""
    network = random_network(Architecture(width=8, body=16, dilations=(1,)))
    y, uv = codes()
    with torch.no_grad():
        folded = fold(network, *variant)(pack_planes(y, uv) * 64)

        def convert(y: torch.Tensor, uv: torch.Tensor, source: tuple, target: tuple) -> tuple:
            m, t = (v.float() for v in codes_to_codes(source, target))
            full = torch.cat([y, F.interpolate(uv, scale_factor=2, mode="nearest")], 1)
            out = torch.einsum("ij,njhw->nihw", m, full) + t[:, None, None]
            return out[:, :1], F.avg_pool2d(out[:, 1:], 2)

        there = network(pack_planes(*convert(y, uv, variant, TRAINED_IN)))
        y2, uv2 = F.pixel_shuffle(there[:, :16] * 64 + 128, 4), F.pixel_shuffle(there[:, 16:] * 64 + 128, 2)
        expected = pack_planes(*convert(y2, uv2, TRAINED_IN, variant)) * 64
    assert torch.allclose(folded, expected, atol=2e-2)


def test_plane_matrix_of_nothing_is_nothing() -> None:
    m, t = plane_matrix(torch.eye(3), torch.zeros(3))
    assert torch.equal(m, torch.eye(24))
    assert not t.any()
