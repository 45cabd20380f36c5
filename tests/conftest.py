"""What all tests share."""

from __future__ import annotations

import torch
from hypothesis import settings

# Small tensors: a second thread costs more than it brings, and far more on a machine that does something else beside.
torch.set_num_threads(1)

# A machine under load takes its time; what is measured here is right and wrong, never speed.
settings.register_profile("restyle", deadline=None)
settings.load_profile("restyle")
