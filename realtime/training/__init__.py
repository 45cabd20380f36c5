"""Training a style: features, losses, synthetic motion, data, and the loop."""
