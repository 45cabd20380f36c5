"""Video and picture files: what is in them, reading, writing."""
