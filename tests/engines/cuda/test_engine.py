"""The CUDA engine on the CPU: slots, lanes, graphs, surfaces, full memory, a lost device.

Tests that need a device are marked `gpu`.
"""

from __future__ import annotations

from collections.abc import Callable

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from realtime.engines.base import Engine, OnDevice
from realtime.engines.cuda.engine import CudaEngine, Plan, capacities
from realtime.engines.cuda.errors import is_lost, is_out_of_memory
from realtime.engines.cuda.lanes import LANES, SLOTS
from realtime.engines.cuda.runtime import Event, Stream
from realtime.engines.cuda.surfaces import from_dlpack
from realtime.engines.torch.engine import TorchEngine
from realtime.errors import DeviceLost, InputError, RestyleError
from realtime.frames import ColorTags, Frame, SurfaceFrame
from realtime.options import PaintOptions
from realtime.transnet.network import Architecture, TransNet, identity_network
from tests.helpers.frames import difference, frame
from tests.helpers.host_runtime import HostRuntime
from tests.helpers.transnets import random_network

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
SMALL = Architecture(width=8, body=16, dilations=(1,))


def engine(network: TransNet | None = None, runtime: HostRuntime | None = None, **options: object) -> CudaEngine:
    """On the CPU, in fp32, where a device's precision is that of `TorchEngine`."""
    made = {"precision": "fp32", "runtime": runtime or HostRuntime(), **options}
    return CudaEngine(network or random_network(SMALL), **made)  # type: ignore[arg-type]


def plain(network: TransNet) -> TorchEngine:
    return TorchEngine(network, device="cpu", precision="fp32", threads=1)


def surface(source: Frame) -> SurfaceFrame:
    """A frame as a decoder's NV12 with long lines, in PyAV's own planes."""
    picture = av.VideoFrame(source.width, source.height, "nv12")
    luma, chroma = (from_dlpack(plane) for plane in picture.planes)
    luma.copy_(torch.from_numpy(source.y))
    chroma[..., 0].copy_(torch.from_numpy(source.u))
    chroma[..., 1].copy_(torch.from_numpy(source.v))
    return SurfaceFrame(
        picture.planes[0],
        picture.planes[1],
        size=(source.width, source.height),
        fetch=lambda: pytest.fail("a surface was fetched from the device"),
        owner=picture,
        pts=source.pts,
        duration=source.duration,
        time_base=source.time_base,
        color=source.color,
    )


def test_it_is_an_engine_on_a_device() -> None:
    made: Engine = engine()
    assert isinstance(made, OnDevice)
    assert made.ahead == SLOTS - 1 == 1
    assert made.stylize([]) == []


def test_trace_is_told_of_the_frames_it_was_given_with() -> None:
    made = engine()
    told: list[str] = []
    finish = made.begin(
        [frame(16, 16)] * 3, trace=lambda name, frames, began, ended: told.append(f"{name} {len(frames)}")
    )
    made.stylize([frame(16, 16)])
    finish()
    assert told == ["paint 3"]


def test_closing_frees_the_memory() -> None:
    runtime = HostRuntime()
    with engine(runtime=runtime) as made:
        made.stylize([frame(16, 16)])
        assert len(made._batches.lanes) == 1
    assert not len(made._batches.lanes)
    assert runtime.log[-2:] == ["synchronize", "trim"]


@pytest.mark.parametrize(("height", "width"), [(16, 16), (50, 66), (1, 1), (37, 9), (24, 40)])
@pytest.mark.parametrize("graphs", [True, False])
def test_the_same_as_the_plain_engine(height: int, width: int, graphs: bool) -> None:
    network = random_network(SMALL)
    frames = [frame(height, width, seed) for seed in range(5)]
    made = engine(network, plan=Plan(batch=2, graphs=graphs))
    for paint in (PaintOptions(), PaintOptions(strength=0.4), PaintOptions(keep_color=True), PaintOptions(strength=0)):
        for a, b in zip(plain(network).stylize(frames, paint), made.stylize(frames, paint), strict=True):
            assert difference(a, b) <= 1
            assert (a.pts, a.duration, a.time_base, a.color) == (b.pts, b.duration, b.time_base, b.color)


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_identity(matrix: str) -> None:
    frames = [frame(40, 56, seed, ColorTags(matrix, "full")) for seed in range(3)]  # type: ignore[arg-type]
    for a, b in zip(frames, engine(identity_network()).stylize(frames), strict=True):
        assert difference(a, b) == 0


def test_results_have_planes_of_their_own() -> None:
    """Also earlier results: no buffer is reused while somebody looks at it."""
    made = engine(identity_network(), plan=Plan(batch=2))
    groups = [[frame(24, 32, 10 * turn + n) for n in range(2)] for turn in range(6)]
    done = [made.stylize(group) for group in groups]
    for group, styled in zip(groups, done, strict=True):
        assert all(difference(a, b) == 0 for a, b in zip(group, styled, strict=True))
    before = groups[0][0].y.copy()
    done[0][0].y[:] = 0
    assert np.array_equal(groups[0][0].y, before)


def test_batches_begun_beside_each_other() -> None:
    network = random_network(SMALL)
    made = engine(network, plan=Plan(batch=2))
    groups = [[frame(24, 32, 10 * turn + n) for n in range(2)] for turn in range(4)]
    waiting = [made.begin(group) for group in groups]
    for group, wait in zip(reversed(groups), reversed(waiting), strict=True):
        assert all(difference(a, b) <= 1 for a, b in zip(plain(network).stylize(group), wait(), strict=True))


def test_streams_wait_for_each_other() -> None:
    device = HostRuntime()
    made = engine(runtime=device, plan=Plan(batch=1))
    for _ in range(SLOTS + 1):
        made.stylize([frame(16, 16)])
    begin = len(device.log)
    made.stylize([frame(16, 16)])
    assert device.log[begin:] == [
        "on stream 1",
        "stream 1 waits",  # until the batch before has been read
        "on stream 2",
        "stream 2 waits",  # for the upload
        "replay",
        "stream 2 waits",  # until the result before has been fetched
        "on stream 3",
        "stream 3 waits",  # for the result
    ]
    assert device.log.count("record") == 1


def test_one_graph_for_a_size_of_frames_and_batches() -> None:
    device = HostRuntime()
    made = engine(runtime=device, plan=Plan(batch=4))
    sizes = [(16, 16), (24, 16)]
    for height, width in sizes * 2:
        for count in (1, 2, 3, 4):
            assert len(made.stylize([frame(height, width, n) for n in range(count)])) == count
    assert device.log.count("record") == len(sizes) * len(capacities(4))
    for width in range(8, 8 * (LANES + 3), 8):
        made.stylize([frame(8, width)])
    assert len(made._batches.lanes) == LANES


@pytest.mark.parametrize("kind", [RuntimeError, torch.AcceleratorError])
def test_what_cannot_be_recorded_runs_all_the_same(kind: type[RuntimeError]) -> None:
    class Refusing(HostRuntime):
        def record(self, run: Callable[[], object], stream: Stream) -> Callable[[], None]:
            raise kind("CUDA error: operation not permitted when stream is capturing\nand pages of advice")

    network = random_network(SMALL)
    made = engine(network, Refusing())
    source = frame(16, 24)
    assert difference(made.stylize([source])[0], plain(network).stylize([source])[0]) <= 1
    assert made.notes == ("CUDA graphs are not used: CUDA error: operation not permitted when stream is capturing",)
    assert "CUDA graphs" not in made.description


def test_a_device_that_is_lost_while_it_records() -> None:
    class Lost(HostRuntime):
        def record(self, run: Callable[[], object], stream: Stream) -> Callable[[], None]:
            raise torch.AcceleratorError("CUDA error: unspecified launch failure")

        def synchronize(self) -> None:
            raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    with pytest.raises(DeviceLost, match="has failed"):
        engine(runtime=Lost()).stylize([frame(16, 24)])


# Surfaces


@pytest.mark.parametrize("keep_color", [False, True])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (50, 66), (48, 64)])
def test_surfaces_in(height: int, width: int, keep_color: bool) -> None:
    network = random_network(SMALL)
    frames = [frame(height, width, seed) for seed in range(3)]
    device = HostRuntime()
    made = engine(network, device, plan=Plan(batch=2))
    styled = made.stylize([surface(f) for f in frames], PaintOptions(keep_color=keep_color))
    for a, b in zip(plain(network).stylize(frames, PaintOptions(keep_color=keep_color)), styled, strict=True):
        assert difference(a, b) <= 1
        assert (a.pts, a.duration, a.time_base, a.color) == (b.pts, b.duration, b.time_base, b.color)
    assert "stream 1 waits for the default stream" in device.log


@pytest.mark.parametrize("keep_color", [False, True])
@pytest.mark.parametrize("on_device", [False, True])
def test_surfaces_out(keep_color: bool, on_device: bool) -> None:
    network = random_network(SMALL)
    frames = [frame(48, 64, seed) for seed in range(3)]
    made = engine(network, plan=Plan(batch=2))
    given: list[Frame] = [surface(f) for f in frames] if on_device else list(frames)
    styled = made.begin(given, PaintOptions(keep_color=keep_color), on_device=True)()
    for a, b in zip(plain(network).stylize(frames, PaintOptions(keep_color=keep_color)), styled, strict=True):
        assert isinstance(b, SurfaceFrame) and not b.fetched
        picture = av.VideoFrame.from_dlpack((b.luma, b.chroma), format="nv12")
        luma, chroma = (from_dlpack(plane).numpy() for plane in picture.planes)
        # Hardware encoders are told where the luma begins, and look for the chroma behind it.
        assert b.chroma.data_ptr() == b.luma.data_ptr() + 48 * 64  # type: ignore[attr-defined]
        for plane, other in zip((luma, chroma[..., 0], chroma[..., 1]), (a.y, a.u, a.v), strict=True):
            assert np.abs(plane.astype(int) - other).max() <= 1
        assert difference(a, b) <= 1  # fetched now
        assert b.fetched


def test_surfaces_are_held_until_they_were_read() -> None:
    made = engine(plan=Plan(batch=1))
    source = surface(frame(16, 16))
    wait = made.begin([source])
    [lane] = made._batches.lanes._lanes.values()
    assert any(source in held for slot in lane.slots for held in slot.held)  # type: ignore[operator]
    wait()
    for _ in range(SLOTS):
        made.stylize([frame(16, 16)])
    assert not any(slot.held for slot in lane.slots)


def test_surfaces_and_frames_do_not_share_a_batch() -> None:
    a = frame(16, 16)
    assert a.batches_with(a) and surface(a).batches_with(surface(a))
    assert not a.batches_with(surface(a)) and not surface(a).batches_with(a)
    assert a.fits_with(surface(a)) and surface(a).fits_with(a)


# Memory


class Scarce(HostRuntime):
    """Holds so many bytes of pinned memory for one batch, and no more."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def pinned(self, *shape: int) -> Tensor:
        if int(np.prod(shape)) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate a great deal")
        return super().pinned(*shape)


class FailingEvents(HostRuntime):
    """Events made from now on raise these errors, one each, when they are waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[RuntimeError] = []

    def event(self, stream: Stream) -> Event:
        errors = self.errors

        class Failing:
            def synchronize(self) -> None:
                if errors:
                    raise errors.pop(0)

        return Failing() if errors else super().event(stream)


def test_the_batch_is_halved() -> None:
    network = random_network(SMALL)
    device = Scarce(3 * 24 * 32 * 3 // 2)
    made = engine(network, device, plan=Plan(batch=8))
    frames = [frame(24, 32, seed) for seed in range(11)]
    for _ in range(2):
        styled = made.stylize(frames)
        assert all(difference(a, b) <= 1 for a, b in zip(plain(network).stylize(frames), styled, strict=True))
    assert made.batch == 2
    assert made.notes == (
        "cpu: out of memory with 8 frames at once; going on with 4",
        "cpu: out of memory with 4 frames at once; going on with 2",
    )
    assert "batches of 2" in made.description
    assert device.log.count("trim") == 2


def test_memory_that_runs_out_late() -> None:
    """A kernel that takes its memory as it starts tells only when it is waited for."""
    network = random_network(SMALL)
    runtime = FailingEvents()
    made = engine(network, runtime, plan=Plan(batch=4))
    frames = [frame(24, 32, seed) for seed in range(4)]
    wait = made.begin(frames)
    runtime.errors.append(torch.OutOfMemoryError("CUDA out of memory"))
    late = made.begin(frames)
    assert all(difference(a, b) <= 1 for a, b in zip(wait(), late(), strict=True))
    assert made.batch == 2


def test_a_frame_that_does_not_fit_goes_in_tiles() -> None:
    network = random_network(SMALL)
    source = frame(512, 1024)
    made = engine(network, Scarce(400 * 400 * 3 // 2), plan=Plan(batch=2))
    for given in (source, surface(source)):
        if isinstance(given, SurfaceFrame):  # tiles are cut on the CPU
            given._fetch = lambda: (source.y, source.u, source.v)
        styled = made.stylize([given])[0]
        assert difference(styled, plain(network).stylize([source])[0]) <= 1
    assert "they go in tiles" in " ".join(made.notes)
    assert len(made.notes) == len(set(made.notes))


def test_a_memory_that_is_too_small_for_anything() -> None:
    made = engine(runtime=Scarce(100), plan=Plan(batch=2))
    with pytest.raises(RestyleError, match=r"too small for 64x32 .*--device cpu"):
        made.stylize([frame(32, 64)] * 2)


def test_a_device_that_is_lost_while_it_works() -> None:
    runtime = FailingEvents()
    made = engine(runtime=runtime)
    made.stylize([frame(16, 16)])
    runtime.errors.append(
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCompile with ...")
    )
    wait = made.begin([frame(16, 16)])
    with pytest.raises(DeviceLost, match=r"cpu: the GPU has failed \(CUDA error: an illegal .*new process.*--resume"):
        wait()


def test_what_errors_mean() -> None:
    full = torch.OutOfMemoryError("CUDA out of memory")
    assert is_out_of_memory(full) and not is_lost(full)
    assert is_out_of_memory(RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"))
    assert is_lost(torch.AcceleratorError("CUDA error: unspecified launch failure"))
    assert is_lost(RuntimeError("CUDA error: device-side assert triggered"))
    ours = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert not is_lost(ours) and not is_out_of_memory(ours)
    assert not is_lost(RestyleError("CUDA error"))


def test_other_devices_are_refused() -> None:
    with pytest.raises(InputError, match="for CUDA devices"):
        CudaEngine(identity_network(), device="cpu")


# On a device


@needs_cuda
@pytest.mark.gpu
@pytest.mark.parametrize("graphs", [True, False])
def test_cuda_gives_what_the_cpu_gives(graphs: bool) -> None:
    net = random_network(Architecture(contours=()))
    with torch.no_grad():
        net.out.weight.mul_(0.2)
    made = CudaEngine(net, plan=Plan(4, graphs))
    assert not made.notes
    for height, width in ((123, 77), (64, 96)) * 2:
        frames = [frame(height, width, seed) for seed in range(6)]
        for a, b in zip(plain(net).stylize(frames), made.stylize(frames), strict=True):
            assert np.abs(a.y.astype(int) - b.y).mean() < 1


@needs_cuda
@pytest.mark.gpu
def test_cuda_overlaps_without_mixing_batches_up() -> None:
    made = CudaEngine(identity_network(), plan=Plan(4))
    groups = [[frame(256, 320, 10 * turn + n) for n in range(4)] for turn in range(30)]
    waiting = None
    for turn, group in enumerate(groups):
        following = made.begin(group)
        if waiting is not None:
            assert all(difference(a, b) == 0 for a, b in zip(groups[turn - 1], waiting(), strict=True))
        waiting = following


@needs_cuda
@pytest.mark.gpu
def test_cuda_surfaces_in_and_out() -> None:
    made = CudaEngine(identity_network(), plan=Plan(2))
    frames = [frame(128, 192, seed) for seed in range(4)]
    once = made.begin(frames, on_device=True)()
    assert all(isinstance(f, SurfaceFrame) for f in once)
    for a, b in zip(frames, made.begin(once, on_device=True)(), strict=True):
        assert difference(a, b) == 0


@needs_cuda
@pytest.mark.gpu
def test_cuda_out_of_memory_goes_on() -> None:
    network = random_network(SMALL)
    frames = [frame(1080, 1920, seed) for seed in range(2)]
    torch.cuda.empty_cache()
    made = CudaEngine(network, plan=Plan(2, graphs=False), precision="fp32")
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, (torch.cuda.memory_reserved() + 120 * 2**20) / total))
    try:
        assert len(made.stylize(frames)) == 2
        assert made.notes
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
