"""Every engine gives a network its texture plane: the same paint, at the frame's place, as much as is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from realtime.engines.base import Engine, texture_amount
from realtime.engines.cuda.engine import CudaEngine, Plan
from realtime.engines.fidelity import psnr
from realtime.engines.onnx.engine import OnnxEngine
from realtime.engines.onnx.openvino_session import openvino_problem, openvino_runtime
from realtime.engines.onnx.ort_session import ort_runtime
from realtime.engines.torch.device import cpu_has_bf16
from realtime.engines.torch.engine import TorchEngine
from realtime.frames import Frame
from realtime.media.synthetic.natural import natural_frames
from realtime.options import PaintOptions
from realtime.transnet.network import Architecture, TransNet
from tests.helpers.frames import COLORS, difference
from tests.helpers.host_runtime import HostRuntime
from tests.helpers.planes import flat
from tests.helpers.textured import LOCAL, TEXTURED, textured_network

needs_openvino = pytest.mark.skipif(bool(openvino_problem()), reason=openvino_problem() or "it is there")
needs_bf16 = pytest.mark.skipif(not cpu_has_bf16(), reason="this processor has no bf16")

Open = Callable[[TransNet], Engine]

ENGINES: dict[str, tuple[Open, float]] = {
    "torch bf16": (lambda n: TorchEngine(n, device="cpu", precision="bf16", threads=2), 40),
    "onnx fp32": (lambda n: OnnxEngine(n, ort_runtime("cpu"), precision="fp32", threads=2), 70),
    "onnx int8": (lambda n: OnnxEngine(n, ort_runtime("cpu"), precision="int8", threads=2), 38),
    "openvino fp32": (lambda n: OnnxEngine(n, openvino_runtime(), precision="fp32", threads=2), 70),
    "openvino bf16": (lambda n: OnnxEngine(n, openvino_runtime(), precision="bf16", threads=2), 40),
    "openvino int8": (lambda n: OnnxEngine(n, openvino_runtime(), precision="int8", threads=2), 38),
    "cuda engine": (lambda n: CudaEngine(n, precision="fp32", runtime=HostRuntime(), plan=Plan(batch=4)), 70),
    "cuda engine without graphs": (
        lambda n: CudaEngine(n, precision="fp32", runtime=HostRuntime(), plan=Plan(batch=4, graphs=False)),
        70,
    ),
}
"""How each is opened, and the PSNR in dB that it must have beside PyTorch in fp32."""


def marks(name: str) -> list[pytest.MarkDecorator]:
    return [needs_openvino] * name.startswith("openvino") + [needs_bf16] * name.endswith("bf16")


engines = pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in ENGINES])


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Of a camera that moves; not a multiple of the network's cells."""
    made = natural_frames(3, size=(150, 90))
    return [frame.at((-3.5 * n, 700.0 + 11 * n)) for n, frame in enumerate(made)]


@pytest.fixture(scope="module")
def exact() -> Iterator[TorchEngine]:
    with TorchEngine(textured_network(), device="cpu", precision="fp32", threads=1) as engine:
        yield engine


@engines
@pytest.mark.parametrize(
    "paint",
    [PaintOptions(), PaintOptions(texture=0.3), PaintOptions(texture=0), PaintOptions(strength=0.6, keep_color=True)],
    ids=["all", "some", "none", "mixed"],
)
def test_it_paints_what_pytorch_paints(name: str, paint: PaintOptions, frames: list[Frame], exact: TorchEngine) -> None:
    opened, least = ENGINES[name]
    with opened(textured_network()) as engine:
        painted = engine.stylize(frames, paint)
    # what is mixed has been rounded before, in some engines
    assert psnr(exact.stylize(frames, paint), painted) > (min(least, 50) if paint.strength < 1 else least)
    for source, styled in zip(frames, painted, strict=True):
        assert (styled.origin, styled.pts, styled.y.shape) == (source.origin, source.pts, source.y.shape)


@engines
def test_a_frame_is_the_same_alone_and_among_others(name: str, frames: list[Frame]) -> None:
    """Each has its own place on the plane, in a batch, too."""
    opened, _ = ENGINES[name]
    with opened(textured_network(LOCAL)) as engine:
        for together, frame in zip(engine.stylize(frames), frames, strict=True):
            assert difference(together, engine.stylize([frame])[0]) <= 1


@engines
def test_the_paint_of_a_wall_goes_with_the_camera(name: str) -> None:
    """A camera that moves by whole cells moves all strokes by as many pixels, and changes nothing else."""
    height, width = 256, 272
    wall = flat(height, width, 120, 110, 140)
    opened, _ = ENGINES[name]
    with opened(textured_network(LOCAL)) as engine:
        here, there = engine.stylize([wall.at((0.0, 0.0)), wall.at((8.0, 16.0))])
        none = engine.stylize([wall], PaintOptions(texture=0))[0]
    edge = -(-LOCAL.reach // 16) * 16
    inside = slice(edge, height - edge - 8), slice(edge, width - edge - 16)
    moved = here.y[edge + 8 : height - edge, edge + 16 : width - edge]
    assert moved.size > 0 and moved.std() > 2
    assert np.abs(moved.astype(int) - there.y[inside]).max() <= (2 if name.endswith(("int8", "bf16")) else 1)
    assert np.abs(here.y[inside].astype(int) - there.y[inside]).mean() > 1
    assert none.y.std() < 0.5  # without the plane a wall stays plain


@pytest.mark.parametrize("color", COLORS, ids=str)
def test_colours_have_no_part_in_it(color: object) -> None:
    """A gray wall gets the same strokes whatever its codes stand for."""
    with TorchEngine(textured_network(LOCAL), device="cpu", precision="fp32", threads=1) as engine:
        wall = flat(64, 64, 128)
        wall.color = color  # type: ignore[assignment]
        painted = engine.stylize([wall])[0].y.astype(float)
    assert painted.std() > 1


def test_the_amount_is_none_where_there_is_no_plane() -> None:
    assert texture_amount(TEXTURED, PaintOptions(texture=0.5)) == 0.5
    assert texture_amount(Architecture(), PaintOptions(texture=0.5)) is None
