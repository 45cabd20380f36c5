"""The network in training: its optimiser, the mean of its weights, and one step of both.

A step is the same on every device. On CUDA it is recorded once as a CUDA graph and replayed, because a step is some
thousand small kernels and launching them takes longer than computing them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import deepcopy

import torch
import torch.distributed as dist
from torch import Tensor, nn

from realtime.training.any_painting.batch import Batch
from realtime.transnet.hypernetwork import HyperNetwork

BETAS = (0.9, 0.99)
"""Of Adam."""

PREDICTOR = frozenset({"first", "second", "condition", "head", "projections", "norm_in", "norm_code"})
"""The modules that predict shares of kernels. They learn at half of the rate of the kernels."""

WARM_UP = 3
"""Steps before the graph is recorded, whose effect is undone."""

Loss = Callable[[Batch], tuple[Tensor, Tensor]]

log = logging.getLogger(__name__)


class Learner:
    """A network, Adam, and the moving average of the weights.

    Args:
        network: on the device.
        loss: of a batch, and what is reported of it: a vector.
        clip: bound of the gradient's norm.

    Attributes:
        network: in training.
        average: the network of the mean weights, which is saved.
        skipped: number of steps whose gradient was not finite; they change nothing.
    """

    def __init__(self, network: HyperNetwork, loss: Loss, clip: float) -> None:
        self.network, self.loss, self.clip = network, loss, clip
        self.average = deepcopy(network).requires_grad_(False).eval()
        named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
        self.names, self.parameters = [name for name, _ in named], [p for _, p in named]
        smoothed = dict(self.average.named_parameters())
        self._averages: list[Tensor] = [smoothed[name] for name in self.names]
        device = self.parameters[0].device
        self._rates = [torch.zeros((), device=device) for _ in range(2)]
        groups: list[list[nn.Parameter]] = [[], []]
        for name, parameter in named:
            groups[name.partition(".")[0] not in PREDICTOR].append(parameter)
        self.optimizer = torch.optim.Adam(
            [{"params": group, "lr": rate} for group, rate in zip(groups, self._rates, strict=True)],
            betas=BETAS,
            fused=True,
            capturable=device.type == "cuda",
        )
        for parameter in self.parameters:  # at once, so that the state can be saved, restored and recorded
            self.optimizer.state[parameter] = {
                "step": torch.zeros((), device=device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        self._keep = torch.ones((), device=device)
        self.skipped = torch.zeros((), device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: Batch | None = None
        self._reported = torch.zeros(())

    def tensors(self) -> dict[str, Tensor]:
        """All that changes in training, by name: what a state holds. The tensors themselves."""
        found = {"skipped": self.skipped}
        for name, parameter, average in zip(self.names, self.parameters, self._averages, strict=True):
            found |= {f"network.{name}": parameter.data, f"average.{name}": average}
            found |= {f"optimizer.{name}.{k}": v for k, v in self.optimizer.state[parameter].items()}
        scales = dict(self.network.named_parameters()), dict(self.average.named_parameters())
        for prefix, parameters in zip(("network", "average"), scales, strict=True):
            found |= {f"{prefix}.{k}": v.data for k, v in parameters.items() if k.startswith("scales.")}
        return found

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take over the values of a state.

        Raises:
            KeyError, RuntimeError: they are those of another network.
        """
        mine = self.tensors()
        if set(mine) != set(tensors):
            raise KeyError(", ".join(sorted(set(mine) ^ set(tensors))[:3]))
        for name, value in mine.items():
            if value.shape != tensors[name].shape:
                raise RuntimeError(f"{name}: {tuple(tensors[name].shape)} and not {tuple(value.shape)}")
            value.copy_(tensors[name])

    def set_rates(self, rate: float, keep: float) -> None:
        """Set the learning rate of the kernels, and the share of the newest weights in the average."""
        for tensor, factor in zip(self._rates, (0.5, 1.0), strict=True):
            tensor.fill_(rate * factor)
        self._keep.fill_(keep)

    def __call__(self, batch: Batch) -> Tensor:
        """One step.

        Returns:
            what is reported of the loss; and the gradient's norm behind it.
        """
        if self._graph is None:
            return self._step(batch)
        assert self._batch is not None
        self._batch.take(batch)
        self._graph.replay()
        return self._reported.clone()

    def record(self, batch: Batch) -> str | None:
        """Record the step as a CUDA graph. Nothing of the training changes.

        Args:
            batch: of the shapes of all batches; it becomes the graph's own.

        Returns:
            why it could not be recorded; steps then run as they are.
        """
        before = {name: value.clone() for name, value in self.tensors().items()}
        try:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UP):
                    self._step(batch)
            torch.cuda.current_stream().wait_stream(side)
            self.optimizer.zero_grad(set_to_none=True)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._reported = self._step(batch)
            self._graph, self._batch = graph, batch
            return None
        except RuntimeError as error:
            torch.cuda.synchronize()
            self.optimizer.zero_grad(set_to_none=True)
            return str(error).partition("\n")[0]
        finally:
            self.load(before)

    def _step(self, batch: Batch) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        loss, reported = self.loss(batch)
        loss.backward()
        if dist.is_initialized():
            self._mean_of_processes()
        norm = nn.utils.clip_grad_norm_(self.parameters, self.clip, foreach=True)
        # Adam leaves everything as it is where this is 1: it is the way in which loss scaling skips a step.
        broken = 1 - torch.isfinite(norm).float()
        self.optimizer.found_inf = broken  # type: ignore[attr-defined]
        self.optimizer.step()
        self.skipped.add_(broken)
        with torch.no_grad():
            change = torch._foreach_sub([p.detach() for p in self.parameters], self._averages)
            torch._foreach_mul_(change, self._keep)
            torch._foreach_add_(self._averages, change)
        return torch.cat([reported, norm.detach()[None]])

    def _mean_of_processes(self) -> None:
        """Replace each gradient by its mean over the processes, in one exchange."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients]) / dist.get_world_size()
        dist.all_reduce(flat)
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))
