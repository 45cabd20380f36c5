"""Y'CbCr and its variants."""

from __future__ import annotations

import pytest
import torch

from realtime.transnet.color import codes_to_codes, planes_from_rgb, rgb_from_planes, rgb_to_codes
from tests.helpers.transnets import VARIANTS


@pytest.mark.parametrize(("matrix", "range"), VARIANTS)
def test_known_colours(matrix: str, range: str) -> None:
    m, t = rgb_to_codes(matrix, range)  # type: ignore[arg-type]
    low, high = (16, 235) if range == "limited" else (0, 255)
    white, black = m.sum(1) + t, t
    assert white.tolist() == pytest.approx([high, 128, 128])
    assert black.tolist() == pytest.approx([low, 128, 128])
    top = 240 if range == "limited" else 255.5
    assert float((m @ torch.tensor([0.0, 0, 1]).double() + t)[1]) == pytest.approx(top)  # blue has the highest Cb
    assert float((m @ torch.tensor([1.0, 0, 0]).double() + t)[2]) == pytest.approx(top)  # red the highest Cr


def test_bt709_red_is_the_one_of_the_standard() -> None:
    m, t = rgb_to_codes("bt709", "limited")
    assert [round(float(v)) for v in m @ torch.tensor([1.0, 0, 0]).double() + t] == [63, 102, 240]


@pytest.mark.parametrize("source", VARIANTS)
@pytest.mark.parametrize("target", VARIANTS)
def test_conversion_goes_through_the_same_picture(source: tuple, target: tuple) -> None:
    rgb = torch.rand(3, 20).double()
    m, t = codes_to_codes(source, target)
    (ms, ts), (mt, tt) = rgb_to_codes(*source), rgb_to_codes(*target)
    assert torch.allclose(m @ (ms @ rgb + ts[:, None]) + t[:, None], mt @ rgb + tt[:, None])
    assert torch.allclose(m[1:, 0], torch.zeros(2).double(), atol=1e-12)  # gray stays gray; `plane_matrix` relies on it


@pytest.mark.parametrize(("matrix", "range"), VARIANTS)
def test_planes_keep_a_smooth_picture(matrix: str, range: str) -> None:
    ramp = torch.linspace(0.1, 0.9, 64)
    rgb = torch.stack([ramp.expand(48, 64), ramp.flip(0).expand(48, 64), torch.full((48, 64), 0.4)])[None]
    back = rgb_from_planes(*planes_from_rgb(rgb, matrix, range), matrix, range)  # type: ignore[arg-type]
    assert float((back - rgb).abs().max()) < 0.02  # chroma at half size
