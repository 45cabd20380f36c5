"""Training a style: synthetic and real motion, data, and the loop."""
