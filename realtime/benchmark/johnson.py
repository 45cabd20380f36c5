"""The classic network (Johnson et al. 2016) behind the engines' interface, to compare with.

The architecture is that of PyTorch's example `fast_neural_style`. Its weights are random: only its speed is of
interest.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime.engines.base import DEFAULT_PAINT, Closing, Finish, Trace
from realtime.engines.torch.device import choose_device
from realtime.engines.workers import using_threads
from realtime.frames import Frame
from realtime.options import PaintOptions
from realtime.transnet.color import planes_from_rgb, rgb_from_planes


def _conv(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, stride, side // 2, padding_mode="reflect")


def _norm_relu(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(channels, affine=True), nn.ReLU()


class _Residual(nn.Sequential):
    """Two 3x3 convolutions with instance norm, added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            _conv(channels, channels, 3),
            *_norm_relu(channels),
            _conv(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        return x + cast(Tensor, super().forward(x))  # type: ignore[no-untyped-call]


class JohnsonNet(nn.Sequential):
    """RGB in 0..255 to RGB, (N, 3, H, W) float, not clamped. Height and width must be multiples of 4."""

    def __init__(self) -> None:
        super().__init__(
            *(_conv(3, 32, 9), *_norm_relu(32)),
            *(_conv(32, 64, 3, stride=2), *_norm_relu(64)),
            *(_conv(64, 128, 3, stride=2), *_norm_relu(128)),
            *(_Residual(128) for _ in range(5)),
            *(nn.UpsamplingNearest2d(scale_factor=2), _conv(128, 64, 3), *_norm_relu(64)),
            *(nn.UpsamplingNearest2d(scale_factor=2), _conv(64, 32, 3), *_norm_relu(32)),
            _conv(32, 3, 9),
        )


class JohnsonEngine(Closing):
    """Runs the network in fp32, one frame at a time on all threads, as the example does.

    Colours are converted in PyTorch on the same device, so that nothing of ours slows the network down.

    Args:
        device: see `realtime.engines.torch.device.choose_device`.
        threads: on the CPU; None leaves PyTorch's choice.
        network: another network of the same interface.

    Raises:
        InputError: the device is not available.
    """

    backend = "torch"
    precision = "fp32"
    batch = 1
    ahead = 0
    notes: tuple[str, ...] = ()

    def __init__(self, *, device: str = "auto", threads: int | None = None, network: nn.Module | None = None) -> None:
        self._where = choose_device(device)
        self.device = str(self._where)
        self.threads = threads or torch.get_num_threads()
        self.description = f"Johnson et al. 2016 in torch on {self.device}, fp32"
        with torch.random.fork_rng():
            torch.manual_seed(2016)
            self.network = (network or JohnsonNet()).eval().requires_grad_(False).to(self._where)

    @torch.inference_mode()
    def stylize(self, frames: Sequence[Frame], paint: PaintOptions = DEFAULT_PAINT) -> list[Frame]:
        """See `Engine.stylize`."""
        with using_threads(self.threads):
            return [self._frame(frame, paint) for frame in frames]

    def begin(
        self,
        frames: Sequence[Frame],
        paint: PaintOptions = DEFAULT_PAINT,
        *,
        on_device: bool = False,
        trace: Trace | None = None,
    ) -> Finish:
        """See `Engine.begin`."""
        began = time.perf_counter()
        painted = self.stylize(frames, paint)
        if trace is not None:
            trace("paint", frames, began, time.perf_counter())
        return lambda: painted

    def _frame(self, frame: Frame, paint: PaintOptions) -> Frame:
        y, u, v = (torch.from_numpy(np.ascontiguousarray(p)).to(self._where) for p in (frame.y, frame.u, frame.v))
        colors = frame.color.matrix, frame.color.range
        height, width = (4 * -(-side // 4) for side in y.shape)
        luma, chroma = (
            F.pad(x[None].float(), (0, w - x.shape[-1], 0, h - x.shape[-2]), mode="replicate")
            for x, h, w in ((y[None], height, width), (torch.stack([u, v]), height // 2, width // 2))
        )
        rgb = rgb_from_planes(luma, chroma, *colors).clamp_(0, 1).mul_(255)
        out = self.network(rgb).clamp_(0, 255)
        if paint.strength < 1:
            out = torch.lerp(rgb, out, paint.strength)
        planes = (codes.round_().clamp_(0, 255).to(torch.uint8).cpu().numpy()[0]
                  for codes in planes_from_rgb(out / 255, *colors))  # fmt: skip
        y8, uv8 = next(planes)[0], next(planes)
        new_y = np.ascontiguousarray(y8[: frame.height, : frame.width])
        if paint.keep_color:
            return frame.with_planes(new_y, frame.u, frame.v)
        return frame.with_planes(new_y, *(np.ascontiguousarray(p[: u.shape[0], : u.shape[1]]) for p in uv8))
