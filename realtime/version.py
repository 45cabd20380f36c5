"""The version of restyle. Not in `realtime/__init__.py`: another distribution may replace that file."""

__version__ = "0.1.0"
