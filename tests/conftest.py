"""What all tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import Architecture, TransNet, identity_network
from tests.helpers.pictures import paint, random_vgg
from tests.helpers.textured import textured_network
from tests.helpers.transnets import gray_network, random_network

# With small tensors a second thread costs more time than it saves.
torch.set_num_threads(1)

# No deadlines: tests judge what is right, never speed. The examples are the same in every run, so that a new failure
# comes from a change of the code; HYPOTHESIS_PROFILE=search looks for new examples.
settings.register_profile("restyle", deadline=None, derandomize=True, database=None)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "restyle"))

# The user's cache folder: an empty one, for child processes, too. Set before a test module is imported.
_cache = tempfile.mkdtemp(prefix="restyle-tests-")
atexit.register(shutil.rmtree, _cache, ignore_errors=True)
os.environ["XDG_CACHE_HOME"] = os.environ["LOCALAPPDATA"] = _cache


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also where pytest runs in the background, where a shell has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of VGG-19 to conv4_1."""
    return random_vgg(tmp_path_factory.mktemp("vgg") / "vgg.safetensors")


def _saved(network: TransNet, name: str, factory: pytest.TempPathFactory) -> Path:
    path = factory.mktemp("styles") / f"{name}.safetensors"
    save_checkpoint(path, network, StyleCard(name, architecture=network.architecture))
    return path


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture in colours."""
    return paint(tmp_path_factory.mktemp("pictures") / "flowers.png", 1)


@pytest.fixture(scope="session")
def other_picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another one."""
    return paint(tmp_path_factory.mktemp("pictures") / "harbour.jpg", 2)


@pytest.fixture(scope="session")
def textured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A style that takes the texture plane, with random weights."""
    return _saved(textured_network(), "textured", tmp_path_factory)


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A style that changes nothing."""
    return _saved(identity_network(), "identity", tmp_path_factory)


@pytest.fixture(scope="session")
def gray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A style that paints everything in the brightness `GRAY`."""
    return _saved(gray_network(), "gray", tmp_path_factory)


@pytest.fixture(scope="session")
def random_style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small style with random weights."""
    return _saved(random_network(Architecture(width=8, body=16, dilations=(1,))), "random", tmp_path_factory)
