"""What all tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tests.helpers.pictures import random_vgg

# Small tensors: a second thread costs more than it brings, and far more on a machine that does something else beside.
torch.set_num_threads(1)

# A machine under load takes its time; what is measured here is right and wrong, never speed. The examples are the same
# in every run, so that a change is judged by what it changed; HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("restyle", deadline=None, derandomize=True, database=None)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "restyle"))

# What the program keeps in the user's cache folder, it keeps here; and it finds nothing there of earlier runs.
_cache = tempfile.mkdtemp(prefix="restyle-tests-")
atexit.register(shutil.rmtree, _cache, ignore_errors=True)
os.environ["XDG_CACHE_HOME"] = os.environ["LOCALAPPDATA"] = _cache


@pytest.fixture(scope="session")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of VGG-19 to conv4_1."""
    return random_vgg(tmp_path_factory.mktemp("vgg") / "vgg.safetensors")
