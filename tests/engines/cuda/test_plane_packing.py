"""Both ends of the network on a device: what the CPU engine's packing gives, and Triton's kernels the same."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from realtime.engines.cuda.plane_packing import Layout, PlainEnds
from realtime.engines.cuda.triton_packing import triton_problem
from realtime.engines.torch.engine import pack
from realtime.frames import Frame

ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="there is no Triton here")
HALVES = [torch.float16, torch.bfloat16, torch.float32]


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(HALVES))
def test_the_channels_of_the_cpu_engine_and_back(height: int, width: int, dtype: torch.dtype) -> None:
    layout = Layout(height, width)
    flat = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, layout.bytes), dtype=np.uint8))
    frames = [Frame(*(plane.numpy() for plane in layout.planes(one))) for one in flat]
    cells = torch.empty(2, *layout.cells, 24, dtype=dtype)
    ends = PlainEnds(layout, CPU, dtype)
    ends.pack(flat, cells)
    assert torch.equal(cells.float() + 128, pack(frames).float())
    back = torch.empty_like(flat)
    ends.unpack(cells, back)
    assert torch.equal(back, flat)


def test_rounding_and_clamping() -> None:
    layout = Layout(8, 8)
    cells = torch.zeros(1, 2, 2, 24)
    values = [-200.0, -128.5, -128.0, -0.5, 0.5, 1.5, 126.5, 127.4, 128.0, 1e6]
    cells.flatten()[: len(values)] = torch.tensor(values)
    wanted = PlainEnds(layout, CPU, torch.float32)
    flat = torch.empty(1, layout.bytes, dtype=torch.uint8)
    wanted.unpack(cells.clone(), flat)
    again = torch.empty_like(cells)
    wanted.pack(flat, again)
    assert again.flatten()[: len(values)].tolist() == [-128, -128, -128, 0, 0, 2, 126, 127, 127, 127]


@needs_triton
def test_kernels_give_what_plain_operations_give() -> None:
    """In Triton's interpreter, which must be chosen before Triton is imported."""
    code = (
        "import torch\n"
        "from realtime.engines.cuda.triton_packing import triton_problem\n"
        "types = torch.float32, torch.float16, torch.bfloat16\n"
        "print([triton_problem(torch.device('cpu'), dtype) for dtype in types])\n"
    )
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "['', '', '']", done.stdout + done.stderr[-2000:]


@needs_triton
@pytest.mark.parametrize("name", ["pack", "unpack"])
@pytest.mark.parametrize("half", ["fp16", "bf16", "fp32"])
def test_kernels_compile_for_a_data_centre_gpu(name: str, half: str) -> None:
    import triton
    from triton.backends.compiler import GPUTarget

    from realtime.engines.cuda import triton_kernels

    kernel = getattr(triton_kernels, name)
    types = {"cells": f"*{half}", "flat": "*u8", "block": "constexpr"}
    signature = {argument: types.get(argument, "i32") for argument in kernel.arg_names}
    source = triton.compiler.ASTSource(kernel, signature, constexprs={"block": 1024})
    built = triton.compile(source, target=GPUTarget("cuda", 90, 32))
    assert ".target sm_90" in built.asm["ptx"]


def test_a_triton_that_does_not_run_says_why() -> None:
    if os.environ.get("TRITON_INTERPRET") != "1":  # compiled kernels take no memory of the CPU
        assert triton_problem(CPU, torch.float32)


@needs_cuda
@needs_triton
@pytest.mark.gpu
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_kernels_on_a_device(dtype: torch.dtype) -> None:
    assert triton_problem(torch.device("cuda", 0), dtype) == ""
