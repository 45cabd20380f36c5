"""The classic network (Johnson et al. 2016), as the PyTorch examples have it, behind the interface of our engines.

Its weights are random: here only its speed is of interest.
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


class _Conv(nn.Module):
    """Reflection padding and a convolution, after nearest-neighbour upsampling where the picture is to grow."""

    def __init__(self, inputs: int, outputs: int, side: int, *, stride: int = 1, upsample: int = 1) -> None:
        super().__init__()
        self.upsample = upsample
        self.pad = nn.ReflectionPad2d(side // 2)
        self.conv = nn.Conv2d(inputs, outputs, side, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) -> (N, O, H', W')."""
        if self.upsample > 1:
            x = F.interpolate(x, scale_factor=float(self.upsample), mode="nearest")
        return cast(Tensor, self.conv(self.pad(x)))


class _Residual(nn.Module):
    """Two 3x3 convolutions with instance norm, added to what went in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _Conv(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=True),
            nn.ReLU(),
            _Conv(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        return x + cast(Tensor, self.body(x))


class JohnsonNet(nn.Sequential):
    """RGB in 0..255 to RGB, (N, 3, H, W) float; not clamped. Sides that are no multiple of 4 grow to one."""

    def __init__(self) -> None:
        def normalised(conv: _Conv) -> list[nn.Module]:
            return [conv, nn.InstanceNorm2d(conv.conv.out_channels, affine=True), nn.ReLU()]

        super().__init__(
            *normalised(_Conv(3, 32, 9)),
            *normalised(_Conv(32, 64, 3, stride=2)),
            *normalised(_Conv(64, 128, 3, stride=2)),
            *(_Residual(128) for _ in range(5)),
            *normalised(_Conv(128, 64, 3, upsample=2)),
            *normalised(_Conv(64, 32, 3, upsample=2)),
            _Conv(32, 3, 9),
        )


class JohnsonEngine(Closing):
    """Planes to RGB, through the network in fp32, and back to planes. See `realtime.engines.base.Engine`.

    One frame at a time with every thread on it, as the examples run it. The colours are converted in PyTorch on the
    same device, so that the rival is not slowed down by anything that is ours.

    Args:
        device: see `realtime.engines.torch.device.choose_device`.
        threads: on the CPU; None leaves PyTorch's own choice.

    Raises:
        InputError: the device is not available.
    """

    backend = "torch"
    precision = "fp32"
    batch = 1
    ahead = 0
    notes: tuple[str, ...] = ()

    def __init__(self, *, device: str = "auto", threads: int | None = None) -> None:
        self._where = choose_device(device)
        self.device = str(self._where)
        self.threads = threads or torch.get_num_threads()
        self.description = f"Johnson et al. 2016 in torch on {self.device}, fp32"
        with torch.random.fork_rng():
            torch.manual_seed(2016)
            self.network = JohnsonNet().eval().requires_grad_(False).to(self._where)

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
        styled = self.stylize(frames, paint)
        if trace is not None:
            trace("paint", frames, began, time.perf_counter())
        return lambda: styled

    def _frame(self, frame: Frame, paint: PaintOptions) -> Frame:
        y, u, v = (torch.from_numpy(np.ascontiguousarray(p)).to(self._where) for p in (frame.y, frame.u, frame.v))
        colors = frame.color.matrix, frame.color.range
        tall, broad = u.shape
        luma = F.pad(y[None, None].float(), (0, 2 * broad - frame.width, 0, 2 * tall - frame.height), mode="replicate")
        rgb = rgb_from_planes(luma, torch.stack([u, v])[None].float(), *colors).clamp_(0, 1).mul_(255)
        out = self.network(rgb)[..., : 2 * tall, : 2 * broad].clamp_(0, 255)
        if paint.strength < 1:
            out = torch.lerp(rgb, out, paint.strength)
        luma, chroma = planes_from_rgb(out / 255, *colors)
        y8, uv8 = (codes.round_().clamp_(0, 255).to(torch.uint8).cpu().numpy()[0] for codes in (luma, chroma))
        y_out = np.ascontiguousarray(y8[0, : frame.height, : frame.width])
        return frame.with_planes(y_out, *((frame.u, frame.v) if paint.keep_color else uv8))
