"""Marks of single parameters."""

from __future__ import annotations

from typing import Any

import pytest


def slow(*values: object) -> Any:
    """Values of a parametrized test that only the long run takes; see the marker `slow`."""
    return pytest.param(*values, marks=pytest.mark.slow)
