"""Adds a whole network to a graph, step by step."""

from __future__ import annotations

from realtime.engines.onnx.builder import Value
from realtime.engines.onnx.float_graph import FloatGraph
from realtime.engines.onnx.steps import NetworkSteps, Step
from realtime.errors import RestyleError
from realtime.transnet.folding import FoldedTransNet


def add_network(graph: FloatGraph, x: Value, network: FoldedTransNet) -> str:
    """Add the network's steps.

    Args:
        graph: receives the nodes.
        x: packed planes, codes - 128.
        network: what to add.

    Returns:
        the name of the result: floats, codes - 128, not rounded.

    Raises:
        RestyleError: the network has a step that cannot be exported.
    """
    steps = NetworkSteps(network)
    values: dict[Step, Value] = {}
    result = ""
    for step in steps.graph.nodes:
        given = [values[before] for before in steps.inputs(step)]
        name = f"net_{step.name}"
        match steps.operation(step):
            case "placeholder":
                values[step] = x
            case "output":
                result = graph.floats(given[0], name)
            case "identity":
                values[step] = given[0]
            case "pixel_shuffle":
                conv = steps.module(steps.convolution_before(step))
                values[step] = graph.upsampled(given[0], conv, step.args[1], name)
            case "contours":
                values[step] = graph.contours(given[0], steps.module(step), step.name)
            case operation:
                found = _floats(graph, steps, step, operation, given, name)
                keep = steps.precedes_relu(step) or steps.is_last(step)
                values[step] = Value(found) if keep else graph.activation(found, step.name)
    return result


def _floats(graph: FloatGraph, steps: NetworkSteps, step: Step, operation: str, given: list[Value], name: str) -> str:
    """Add a step whose result is floats at first."""
    match operation:
        case "conv":
            return graph.conv(given[0], steps.module(step), steps.phases(step), name)
        case "picture_norm":
            return graph.picture_norm(graph.floats(given[0], name), steps.module(step), name)
        case "relu":
            return graph.node("Relu", graph.floats(given[0], name), name=name)
        case "add":
            terms = [graph.floats(value, f"{name}_{n}") for n, value in enumerate(given)]
            return graph.node("Add", *terms, name=name)
    raise RestyleError(f"the network's step {operation!r} cannot be exported to ONNX")
