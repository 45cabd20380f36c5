"""The version of restyle, in a module that no other distribution's package `realtime` has: it would replace ours."""

__version__ = "0.1.0"
