from __future__ import annotations

from pathlib import Path

import pytest
import torch

from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import CENTER, SCALE, Architecture, TransNet, identity_network

GRAY = 200
"""What the style `gray` paints, whatever it gets: this brightness and no colour."""


def gray_network() -> TransNet:
    """A TransNet that paints everything in one gray."""
    network = TransNet(Architecture(width=8, body=16, dilations=(), norm="none", contours=())).eval()
    network.requires_grad_(False)
    assert network.out.bias is not None
    network.out.weight.zero_()
    network.out.bias.copy_(torch.tensor([(GRAY - CENTER) / SCALE] * 16 + [0.0] * 8))
    return network


@pytest.fixture(scope="session")
def same(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A style that changes nothing."""
    path = tmp_path_factory.mktemp("styles") / "same.safetensors"
    save_checkpoint(path, identity_network(), StyleCard("same"))
    return path


@pytest.fixture(scope="session")
def gray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A style that paints everything gray."""
    path = tmp_path_factory.mktemp("styles") / "gray.safetensors"
    save_checkpoint(path, gray_network(), StyleCard("gray"))
    return path
