"""Tests of `realtime.training.any_painting`."""
