"""Video and image files: description, reading, writing."""
