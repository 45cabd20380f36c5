"""How pictures are told apart: loss networks, perceptual losses and scores, for training and for painting alike."""
