"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# A machine under load takes its time; what is measured here is right and wrong, never speed.
settings.register_profile("restyle", deadline=None)
settings.load_profile("restyle")
