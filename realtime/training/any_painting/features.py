"""The encoder of a run, which is its loss network, too."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from realtime.errors import InputError
from realtime.transnet.gallery import any_painting_files
from realtime.transnet.hypernetwork import Encoder


def load_features(path: Path | None, device: torch.device, dtype: torch.dtype) -> Encoder:
    """VGG-19 to relu4_1 on a device.

    Args:
        path: normalised weights (`conv1_1.weight`, ...); those after conv4_1 are left out. None: those of the gallery.
        device: of the run.
        dtype: number format of the run.

    Raises:
        InputError: the file is missing, damaged, or something else.
    """
    path = path or any_painting_files()[1]
    try:
        encoder = Encoder(load_file(path)).eval()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file (weights of the loss network)") from None
    except (SafetensorError, OSError, KeyError, IndexError, ValueError) as error:
        raise InputError(f"{path}: not the weights of VGG-19 to conv4_1 under their plain names: {error}") from None
    return encoder.to(device, dtype).to(memory_format=torch.channels_last)
