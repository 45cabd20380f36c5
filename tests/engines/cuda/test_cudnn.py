"""Fused convolutions: the same network, whatever computes the fused part."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from realtime.engines.cuda.cudnn import CudnnTransNet, cudnn_problem
from realtime.transnet.folding import fold
from realtime.transnet.network import Architecture
from tests.transnet.test_network import BODIES, random_network

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_the_same_network(body: dict) -> None:
    network = random_network(Architecture(width=16, body=32, dilations=(1, 2), **body))
    calls = 0

    def fused(
        x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int],
        dilation: Sequence[int], groups: int,
    ) -> Tensor:  # fmt: skip
        nonlocal calls
        calls += 1
        assert list(padding) == [0, 0]
        return F.relu(F.conv2d(x, weight, bias, list(stride), 0, list(dilation), groups))

    folded = fold(network).cast(torch.device("cpu"), torch.float32)
    x = torch.randint(-128, 128, (2, 24, 10, 14)).float().to(memory_format=torch.channels_last)
    with torch.inference_mode():
        a, b = folded(x), CudnnTransNet(folded, fused)(x)
    assert torch.allclose(a, b, rtol=1e-4, atol=1e-3)
    assert calls >= 3  # stem, up, refine at least


def test_the_cpu_has_none() -> None:
    assert "CUDA" in cudnn_problem(torch.device("cpu"), torch.float32)


@needs_cuda
@pytest.mark.gpu
def test_cudnn_gives_what_pytorch_gives() -> None:
    assert cudnn_problem(torch.device("cuda", 0), torch.float16) == ""
