"""Machines with other devices and packages than this one, and engines of known speeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from realtime.engines.base import Closing, Finish
from realtime.engines.candidates import Candidate, Machine
from realtime.engines.choice import EngineFactory
from realtime.engines.onnx.providers import OrtDevice
from realtime.errors import RestyleError
from realtime.frames import Frame
from realtime.options import EngineOptions
from realtime.transnet.network import TransNet


class OtherMachine(Machine):
    """A machine with bf16 and OpenVINO.

    Args:
        torch, onnx: what the two packages take for device "auto".
        providers: words of the devices that ONNX Runtime can use.
        name: of the machine.
    """

    def __init__(
        self,
        *,
        torch: str = "cpu",
        onnx: OrtDevice = OrtDevice(),
        providers: Sequence[str] = ("cpu",),
        name: str = "a machine",
    ) -> None:
        self._torch, self._onnx, self._providers, self._name = torch, onnx, providers, name

    def has_bf16(self) -> bool:
        return True

    def has_openvino(self) -> bool:
        return True

    def torch_device(self) -> str:
        return self._torch

    def onnx_device(self) -> OrtDevice:
        return self._onnx

    def has_provider(self, device: str) -> bool:
        return device in self._providers

    def identity(self) -> dict[str, Any]:
        return {"name": self._name}


class SimulatedEngines(EngineFactory):
    """Opens engines that paint nothing, but move a clock.

    Attributes:
        seconds: that an engine takes for a frame, by the candidate's name; engines without an entry fail.
        now: what the clock shows.
        opened: engines that are open.
    """

    def __init__(self, network: TransNet, seconds: dict[str, float]) -> None:
        super().__init__(network, EngineOptions())
        self.seconds, self.now = seconds, 0.0
        self.opened: list[SimulatedEngine] = []

    def clock(self) -> float:
        return self.now

    def open(self, candidate: Candidate, notes: Sequence[str] = ()) -> SimulatedEngine:
        if str(candidate) not in self.seconds:
            raise RestyleError(f"{candidate} does not run")
        engine = SimulatedEngine(self, candidate, tuple(notes))
        self.opened.append(engine)
        return engine


class SimulatedEngine(Closing):
    """See `SimulatedEngines`."""

    device, batch, ahead = "cpu", 2, 0

    def __init__(self, factory: SimulatedEngines, candidate: Candidate, notes: tuple[str, ...]) -> None:
        self.backend, self.precision = candidate.backend, str(candidate.precision)
        self.description, self.notes = str(candidate), notes
        self._factory = factory

    def stylize(self, frames: Sequence[Frame], *_: Any) -> list[Frame]:
        self._factory.now += self._factory.seconds[self.description] * len(frames)
        return list(frames)

    def begin(self, frames: Sequence[Frame], *_: Any, **__: Any) -> Finish:
        done = self.stylize(frames)
        return lambda: done

    def close(self) -> None:
        self._factory.opened.remove(self)
