"""Loss networks: their layers and shapes, and the weights that they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from realtime.errors import InputError
from realtime.options import LossNetworkName
from realtime.perception.features import (
    MOBILENET_TAPS,
    SQUEEZENET_TAPS,
    VGG19_LAYERS,
    LossNetwork,
)
from tests.helpers.pictures import random_vgg, torchvision_weights


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> LossNetwork:
    """All of VGG-19, random."""
    return LossNetwork.load(random_vgg(tmp_path_factory.mktemp("deep") / "vgg.safetensors", last="conv5_4"))


def test_layers_are_where_torchvision_has_them() -> None:
    from torchvision.models import vgg19

    kinds = {"Conv2d": "conv", "ReLU": "relu", "MaxPool2d": "pool"}
    with torch.device("meta"):
        features = vgg19(weights=None).features
    assert [kinds[type(m).__name__] for m in features] == [name[:4] for name in VGG19_LAYERS]
    assert [VGG19_LAYERS[i] for i in (0, 5, 10, 19, 28)] == ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"]
    assert VGG19_LAYERS[22] == "relu4_2" and VGG19_LAYERS[31] == "relu5_2" and len(VGG19_LAYERS) == 37


def test_the_whole_network(deep: LossNetwork) -> None:
    wanted = ["conv5_1", "relu5_4", "pool5", "conv1_1"]  # in any order
    shapes = [tuple(t.shape) for t in deep(torch.rand(1, 3, 48, 64), wanted)]
    assert shapes == [(1, 512, 3, 4), (1, 512, 3, 4), (1, 512, 2, 2), (1, 64, 48, 64)]


def test_a_convolution_is_read_before_its_relu(vgg: Path) -> None:
    """Nothing works in place: later layers do not change the features of earlier ones."""
    network = LossNetwork.load(vgg)
    before, after = network(torch.rand(1, 3, 32, 32), ["conv2_1", "relu2_1"])
    assert before.min() < 0
    assert torch.equal(F.relu(before), after)


def test_what_is_missing_is_named(vgg: Path) -> None:
    network = LossNetwork.load(vgg)
    assert network.layer_names[-1] == "relu4_1"
    with pytest.raises(InputError, match=r"ends at relu4_1 and lacks conv5_1, relu4_2;"):
        network(torch.rand(1, 3, 32, 32), ["relu1_1", "conv5_1", "relu4_2"])


def test_gaps_and_wrong_shapes_are_named(vgg: Path, tmp_path: Path) -> None:
    weights = load_file(vgg)
    weights["conv2_2.weight"] = weights["conv2_2.weight"][:5].contiguous()
    save_file(weights, tmp_path / "shape.safetensors")
    with pytest.raises(InputError, match=r"conv2_2.weight should be \(128, 128, 3, 3\), found \(5,"):
        LossNetwork.load(tmp_path / "shape.safetensors")
    gap = load_file(vgg)
    del gap["conv3_2.bias"]
    save_file(gap, tmp_path / "gap.safetensors")
    with pytest.raises(InputError, match=r"conv3_2.bias .* found nothing"):
        LossNetwork.load(tmp_path / "gap.safetensors")
    with pytest.raises(InputError, match="not the weights of a squeezenet"):
        LossNetwork.load(vgg, "squeezenet")
    with pytest.raises(InputError, match="no such file"):
        LossNetwork.load(tmp_path / "none")


def test_torchvisions_names_are_understood(tmp_path: Path) -> None:
    """The same numbers as torchvision's own layers give, which are padded with zeros and want normalised RGB."""
    from torchvision.models import vgg19

    path = torchvision_weights(tmp_path / "weights.safetensors", "vgg19", features_only=True)
    own = vgg19(weights=None).features[:20]
    values = {k.removeprefix("features."): v for k, v in load_file(path).items()}
    own.load_state_dict({k: v for k, v in values.items() if int(k.partition(".")[0]) < 20})
    rgb = torch.rand(1, 3, 32, 48)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = own((rgb - mean.view(3, 1, 1)) / std.view(3, 1, 1))
        (found,) = LossNetwork.load(path)(rgb, ["conv4_1"])
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "model", "shapes"),
    [
        ("mobilenet", "mobilenet_v2", [(16, 32, 48), (24, 16, 24), (32, 8, 12), (96, 4, 6)]),
        ("squeezenet", "squeezenet1_1", [(64, 31, 47), (128, 15, 23), (256, 7, 11), (512, 3, 5)]),
    ],
)
def test_light_networks(tmp_path: Path, name: LossNetworkName, model: str, shapes: list[tuple[int, ...]]) -> None:
    path = torchvision_weights(tmp_path / "weights.safetensors", model)
    network = LossNetwork.load(path, name)
    assert network.taps == {"mobilenet": MOBILENET_TAPS, "squeezenet": SQUEEZENET_TAPS}[name]
    picture = torch.rand(1, 3, 64, 96, requires_grad=True)
    taps = network(picture)
    assert [tuple(t.shape[1:]) for t in taps] == shapes
    torch.stack([t.square().mean() for t in taps]).sum().backward()
    assert picture.grad is not None and picture.grad.abs().max() > 0
    again = network(picture, [*network.layer_names])  # every layer kept as it was when it was computed
    for name_, tap in zip(network.taps, taps, strict=True):
        assert torch.equal(again[network.layer_names.index(name_)], tap), name_


def test_torchvisions_weights_that_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail)
    with pytest.raises(InputError, match=r"weights of mobilenet cannot be loaded \(no network\).*--features"):
        LossNetwork.load(None, "mobilenet")


@pytest.mark.parametrize("layer", ["relu1_1", "conv2_2", "relu4_1", "relu5_1"])
def test_geometry_bounds_the_pixels_that_a_feature_depends_on(deep: LossNetwork, layer: str) -> None:
    """A change beyond the reach changes nothing; the stride says which pixel a feature stands for."""
    stride, reach = deep.geometry(layer)
    assert stride == 2 ** (int(layer[4]) - 1)
    side, place = 2 * reach + 8 * stride, reach + 2 * stride
    picture = torch.zeros(1, 3, 32, -(-side // 16) * 16, requires_grad=True)
    (features,) = deep(picture, [layer])
    features[..., place // stride].sum().backward()
    assert picture.grad is not None
    columns = picture.grad.abs().sum((0, 1, 2)).nonzero().flatten()
    centre = place // stride * stride
    assert int(columns.min()) >= centre - reach and int(columns.max()) <= centre + reach


def test_gradient_checkpoints_change_memory_and_nothing_else(vgg: Path) -> None:
    network = LossNetwork.load(vgg)

    def measure(recompute: bool) -> tuple[torch.Tensor, int]:
        kept: dict[int, int] = {}
        picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            total = torch.stack([tap.square().mean() for tap in network(picture, recompute=recompute)]).sum()
        total.backward()
        assert picture.grad is not None
        return picture.grad, sum(kept.values())

    (a, whole), (b, little) = measure(False), measure(True)
    assert torch.allclose(a, b, rtol=1e-4, atol=1e-8)
    assert little < 0.6 * whole


def test_shapes(vgg: Path) -> None:
    network = LossNetwork.load(vgg)
    taps = network(torch.rand(2, 3, 48, 40))
    assert [tuple(t.shape) for t in taps] == [(2, 64, 48, 40), (2, 128, 24, 20), (2, 256, 12, 10), (2, 512, 6, 5)]


REAL = Path(__file__).resolve().parents[3] / "shared" / "weights" / "vgg19_normalised_relu4_1.fp16.safetensors"


@pytest.mark.skipif(not REAL.exists(), reason="the weights of ../shared are not there")
def test_the_real_loss_network_is_normalised() -> None:
    """Its layers' mean activations are about 1 on a photograph-like picture; that is what its makers promise."""
    small = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.interpolate(small, size=(96, 96), mode="bicubic").clamp(0, 1)
    for tap in LossNetwork.load(REAL)(picture):
        assert 0.1 < float(tap.mean()) < 10
