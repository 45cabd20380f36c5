"""Iterative style transfer: the picture itself is optimised. Only the loss network is a trained network."""
