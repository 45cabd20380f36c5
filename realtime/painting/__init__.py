"""The iterative methods: the picture itself is optimised, with no trained network but the one that judges it."""
