"""The PyTorch engine: planes in, the same planes out of an identity network; batches, colours, precisions."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.engines.torch import fused
from realtime.engines.torch.device import choose_device, cpu_has_bf16, torch_precision
from realtime.engines.torch.engine import TorchEngine
from realtime.errors import InputError
from realtime.frames import ColorTags, Frame
from realtime.options import PaintOptions
from realtime.transnet.network import Architecture, identity_network
from tests.helpers.frames import difference, frame
from tests.helpers.transnets import BODIES, random_network

PRECISIONS = ["fp32", "bf16"]
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")


@settings(max_examples=30)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(PRECISIONS), st.integers(1, 3))
def test_identity_at_any_size(height: int, width: int, precision: str, batch: int) -> None:
    engine = TorchEngine(identity_network(), device="cpu", precision=precision)  # type: ignore[arg-type]
    frames = [frame(height, width, seed) for seed in range(batch)]
    for a, b in zip(frames, engine.stylize(frames), strict=True):
        assert (b.y.shape, b.u.shape) == (a.y.shape, a.u.shape)
        assert difference(a, b) == 0
        assert (b.pts, b.duration, b.time_base, b.color) == (a.pts, a.duration, a.time_base, a.color)


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("range", ["limited", "full"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_identity_in_any_colours(matrix: str, range: str, precision: str) -> None:
    source = frame(40, 56, color=ColorTags(matrix, range))  # type: ignore[arg-type]
    engine = TorchEngine(identity_network(), device="cpu", precision=precision)  # type: ignore[arg-type]
    # fp32 is exact; in bf16 the folded conversion rounds by less than a code
    assert difference(source, engine.stylize([source])[0]) <= (0 if precision == "fp32" else 1)


def test_one_picture_in_two_codings_becomes_one_picture() -> None:
    """A network paints the same colours whatever the matrix and range of the file."""
    from realtime.transnet.color import planes_from_rgb, rgb_from_planes

    rng = torch.Generator().manual_seed(0)
    small = torch.rand(1, 3, 8, 8, generator=rng) * 0.6 + 0.2
    rgb = torch.nn.functional.interpolate(small, size=(64, 64), mode="bicubic").clamp(0.1, 0.9)
    network = random_network(Architecture(width=8, body=16, dilations=(1,)))
    with torch.no_grad():
        network.out.weight.mul_(0.1)  # so that its output stays in gamut
    results = []
    for color in (ColorTags("bt709", "limited"), ColorTags("bt601", "full")):
        y, uv = planes_from_rgb(rgb, color.matrix, color.range)
        codes = [p.round().clamp(0, 255).byte().numpy() for p in (y[0, 0], uv[0, 0], uv[0, 1])]
        out = TorchEngine(network, device="cpu", precision="fp32").stylize([Frame(*codes, color=color)])[0]
        y2, u2, v2 = (torch.from_numpy(p).float()[None, None] for p in (out.y, out.u, out.v))
        results.append(rgb_from_planes(y2, torch.cat([u2, v2], 1), color.matrix, color.range))
    assert float((results[0] - results[1]).abs().mean()) < 0.01


@pytest.mark.parametrize("precision", PRECISIONS)
def test_batch_gives_what_single_frames_give(precision: str) -> None:
    engine = TorchEngine(random_network(Architecture()), device="cpu", precision=precision)  # type: ignore[arg-type]
    frames = [frame(50, 66, seed) for seed in range(3)]
    together = engine.stylize(frames)
    apart = [engine.stylize([f])[0] for f in frames]
    # oneDNN may sum in another order for another batch: a code or two where a random network amplifies it
    assert max(difference(a, b) for a, b in zip(together, apart, strict=True)) <= 3
    assert max(np.abs(a.y.astype(int) - b.y).mean() for a, b in zip(together, apart, strict=True)) < 0.1


def test_frames_begun_beside_each_other_come_out_as_alone() -> None:
    engine = TorchEngine(
        random_network(Architecture(width=8, body=16, dilations=(1,))), device="cpu", precision="fp32", threads=2
    )
    frames = [frame(50, 66, seed) for seed in range(6)]
    waits = [engine.begin(frames[i : i + 2], PaintOptions(strength=0.5)) for i in (0, 2, 4)]
    for wait, pair in zip(reversed(waits), ([4, 5], [2, 3], [0, 1]), strict=True):
        for styled, n in zip(wait(), pair, strict=True):
            assert styled.pts == frames[n].pts
            assert difference(styled, engine.stylize([frames[n]], PaintOptions(strength=0.5))[0]) <= 1
    assert engine.begin([])() == []


def test_bf16_is_close_to_fp32() -> None:
    network = random_network(Architecture())
    with torch.no_grad():
        network.out.weight.mul_(0.2)
    source = frame(64, 64)
    a, b = (TorchEngine(network, device="cpu", precision=p).stylize([source])[0] for p in ("fp32", "bf16"))  # type: ignore[arg-type]
    # bf16 keeps 8 bits: a code or so, and the deep sums of a random network add to it
    assert np.abs(a.y.astype(int) - b.y).mean() < 2


@pytest.mark.parametrize("body", BODIES, ids=str)
@pytest.mark.skipif(not fused.fusing_works(), reason="this PyTorch has no fused oneDNN convolutions")
def test_fused_is_plain(body: dict) -> None:
    from realtime.transnet.folding import fold

    network = random_network(Architecture(width=16, body=32, dilations=(1, 2), **body))
    plain = fold(network).cast(torch.device("cpu"), torch.bfloat16)
    x = (
        torch.randint(-128, 128, (2, network.architecture.inputs, 10, 14))
        .bfloat16()
        .to(memory_format=torch.channels_last)
    )
    with torch.inference_mode():
        a, b = plain(x).float(), fused.fuse(plain)(x).float()
    assert float((a - b).abs().mean()) < 0.02 * float(a.abs().mean())  # bf16 rounding between the passes


def test_strength() -> None:
    network = random_network(Architecture(width=8, body=16, dilations=(1,)))
    engine = TorchEngine(network, device="cpu", precision="fp32")
    source = frame(32, 48)
    full = engine.stylize([source])[0]
    assert difference(engine.stylize([source], PaintOptions(strength=0))[0], source) == 0
    half = engine.stylize([source], PaintOptions(strength=0.5))[0]
    inside = (full.y > 0) & (full.y < 255)  # the blend is of unclamped values
    expected = (full.y.astype(float) + source.y) / 2
    assert np.abs(half.y - expected)[inside].max() <= 1


def test_keep_color() -> None:
    engine = TorchEngine(random_network(Architecture()), device="cpu")
    source = frame(32, 48)
    kept, full = engine.stylize([source], PaintOptions(keep_color=True))[0], engine.stylize([source])[0]
    assert np.array_equal(kept.u, source.u) and np.array_equal(kept.v, source.v)
    assert np.array_equal(kept.y, full.y)
    assert not np.array_equal(full.u, source.u)


def test_strided_planes_are_read_and_not_written() -> None:
    """The lines of a decoder's buffers are longer than the picture."""
    wide = frame(40, 128)
    source = Frame(wide.y[:, :50], wide.u[:, :25], wide.v[:, :25])
    before = wide.y.copy()
    out = TorchEngine(identity_network(), device="cpu").stylize([source])[0]
    assert difference(out, source) == 0
    assert np.array_equal(wide.y, before)
    out.y[:] = 0
    assert np.array_equal(wide.y, before)


def test_auto_on_this_machine() -> None:
    engine = TorchEngine(identity_network())
    if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        assert engine.device == "cpu"
        assert engine.precision == ("bf16" if cpu_has_bf16() else "fp32")
    assert engine.device.split(":")[0] in engine.description
    assert engine.precision in engine.description
    assert engine.stylize([]) == []


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:1", "", "cuda:99", "mps:0"])
def test_unknown_or_missing_devices_are_refused(device: str) -> None:
    with pytest.raises(InputError, match="device"):
        choose_device(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_missing_cuda_says_why() -> None:
    with pytest.raises(InputError, match=r"driver|without CUDA"):
        choose_device("cuda")


def test_impossible_precisions_are_refused() -> None:
    with pytest.raises(InputError, match="fp16"):
        torch_precision("fp16", torch.device("cpu"))
    with pytest.raises(InputError, match="choose auto"):
        torch_precision("int4", torch.device("cpu"))  # type: ignore[arg-type]


@needs_cuda
@pytest.mark.gpu
def test_cuda_gives_what_the_cpu_gives() -> None:
    network = random_network(Architecture())
    source = frame(123, 77)
    a = TorchEngine(network, device="cpu", precision="fp32").stylize([source])[0]
    b = TorchEngine(network, device="cuda", precision="fp16").stylize([source])[0]
    assert np.abs(a.y.astype(int) - b.y).mean() < 1


def test_trace_is_told_of_each_frame_by_its_worker() -> None:
    told: list[tuple[str, int, str]] = []
    with TorchEngine(identity_network(), device="cpu", threads=2) as engine:
        finish = engine.begin(
            [frame(16, 16)] * 3,
            trace=lambda name, frames, began, ended: told.append((name, len(frames), threading.current_thread().name)),
        )
        finish()
    assert [(name, count) for name, count, _ in told] == [("paint", 1)] * 3
    assert all("torch-worker" in thread for _, _, thread in told)


def test_closing_ends_the_workers() -> None:
    before = set(threading.enumerate())
    with TorchEngine(identity_network(), device="cpu", threads=3) as engine:
        engine.stylize([frame(16, 16)] * 3)
        assert len(set(threading.enumerate()) - before) == 3
    assert not set(threading.enumerate()) - before
    engine.close()  # a second time does nothing


@pytest.mark.parametrize(("threads", "workers"), [(1, 1), (2, 2), (3, 3), (20, 8)])
def test_workers_share_the_threads(threads: int, workers: int) -> None:
    before = torch.get_num_threads()
    engine = TorchEngine(identity_network(), device="cpu", threads=threads)
    assert engine.batch == workers
    frames = [frame(24, 32, seed) for seed in range(5)]
    assert all(difference(a, b) == 0 for a, b in zip(frames, engine.stylize(frames), strict=True))
    assert torch.get_num_threads() == before
