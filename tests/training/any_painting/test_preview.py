"""The preview sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from realtime.errors import InputError
from realtime.training.any_painting.pictures import Pictures
from realtime.training.any_painting.preview import COLUMNS, ROWS, Preview
from realtime.transnet.hypernetwork import Encoder, HyperNetwork
from realtime.transnet.network import Architecture

NETWORK = Architecture(width=8, body=8, dilations=(1,), norm="blocks", contours=(), skip=True, fine=(1,), texture=True)


def pictures(count: int) -> Pictures:
    values = torch.randint(256, (count, 3, 64, 64), generator=torch.Generator().manual_seed(count), dtype=torch.uint8)
    return Pictures(values, (count,), (count,))


def test_a_row_for_each_painting_and_a_column_for_each_photograph(encoder: Encoder, tmp_path: Path) -> None:
    preview = Preview(encoder, pictures(20), pictures(3))
    assert len(preview.paintings) == ROWS and len(preview.photographs) == min(3, COLUMNS)
    torch.manual_seed(0)
    network = HyperNetwork(NETWORK, 2)
    preview.write(network, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (256 * (ROWS + 1), 256 * 4, 3)
    shown = (preview.photographs[1].permute(1, 2, 0) * 255).round().byte().numpy()
    assert np.array_equal(sheet[:256, 512:768], shown)
    painting = (preview.paintings[2].permute(1, 2, 0) * 255).round().byte().numpy()
    assert np.array_equal(sheet[768:1024, :256], painting)
    with pytest.raises(InputError, match="does not exist"):
        preview.write(network, tmp_path / "nowhere" / "sheet.png")
