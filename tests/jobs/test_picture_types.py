"""Pictures come back as what they were: path, PIL image, array or tensor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from realtime.errors import InputError, MediaError
from realtime.jobs.picture_types import as_rgb

PICTURE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
STYLED = 255 - PICTURE


def test_a_path_gives_an_array(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(PICTURE).save(path)
    for given_path in (path, str(path)):
        rgb, back = as_rgb(given_path)
        assert np.array_equal(rgb, PICTURE)
        assert back(STYLED) is STYLED
    with pytest.raises(MediaError, match=r"none\.png"):
        as_rgb(tmp_path / "none.png")


def test_an_array() -> None:
    rgb, back = as_rgb(PICTURE)
    assert rgb is PICTURE and back(STYLED) is STYLED


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "1", "P"])
def test_a_pil_image_without_transparency(mode: str) -> None:
    picture = Image.fromarray(PICTURE).convert(mode)
    rgb, back = as_rgb(picture)
    assert np.array_equal(rgb, np.asarray(picture.convert("RGB")))
    styled = back(STYLED)
    assert isinstance(styled, Image.Image) and styled.mode == "RGB"
    assert np.array_equal(np.asarray(styled), STYLED)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_a_pil_image_keeps_its_alpha_channel(mode: str) -> None:
    picture = Image.fromarray(PICTURE)
    alpha = Image.fromarray(PICTURE[..., 0])
    picture.putalpha(alpha)
    picture = picture.convert(mode) if mode != "PA" else _palette_with_alpha(picture)
    rgb, back = as_rgb(picture)
    assert rgb.shape == PICTURE.shape
    styled = back(STYLED)
    assert styled.mode == "RGBA"
    assert np.array_equal(np.asarray(styled)[..., :3], STYLED)
    assert np.array_equal(np.asarray(styled)[..., 3], np.asarray(picture.convert("RGBA"))[..., 3])


def _palette_with_alpha(picture: Image.Image) -> Image.Image:
    """A palette image one of whose colours is transparent, as in a GIF."""
    out = picture.convert("RGB").convert("P")
    out.info["transparency"] = 0
    return out


def test_a_tensor_of_bytes() -> None:
    tensor = torch.from_numpy(PICTURE).permute(2, 0, 1)
    rgb, back = as_rgb(tensor)
    assert np.array_equal(rgb, PICTURE)
    styled = back(STYLED)
    assert (styled.dtype, styled.device, styled.shape) == (torch.uint8, tensor.device, tensor.shape)
    assert np.array_equal(styled.permute(1, 2, 0).numpy(), STYLED)


@given(st.sampled_from([torch.float16, torch.float32, torch.float64, torch.bfloat16]))
def test_a_tensor_of_numbers_in_0_to_1(dtype: torch.dtype) -> None:
    tensor = (torch.from_numpy(PICTURE).permute(2, 0, 1).double() / 255).to(dtype)
    rgb, back = as_rgb(tensor)
    assert np.abs(rgb.astype(int) - PICTURE).max() <= (1 if dtype == torch.bfloat16 else 0)
    styled = back(STYLED)
    assert (styled.dtype, styled.shape) == (dtype, tensor.shape)
    assert float(styled.min()) >= 0 and float(styled.max()) <= 1
    assert float((styled.double().permute(1, 2, 0) - torch.from_numpy(STYLED).double() / 255).abs().max()) < 0.005


def test_numbers_outside_0_to_1_are_clipped() -> None:
    rgb, _ = as_rgb(torch.tensor([-1.0, 0.5, 2.0]).view(3, 1, 1))
    assert rgb.tolist() == [[[0, 128, 255]]]


def test_a_tensor_with_a_gradient() -> None:
    """The output of somebody's network, still in its graph."""
    rgb, _ = as_rgb(torch.zeros(3, 4, 5, requires_grad=True))
    assert rgb.shape == (4, 5, 3)


@pytest.mark.parametrize(
    "picture",
    [
        torch.zeros(4, 5),
        torch.zeros(1, 4, 5),
        torch.zeros(1, 3, 4, 5),
        torch.zeros(3, 4, 5, dtype=torch.int64),
        None,
        3,
        [[0, 0, 0]],
    ],
    ids=str,
)
def test_other_objects_are_refused(picture: object) -> None:
    with pytest.raises(InputError, match="must be"):
        as_rgb(picture)
