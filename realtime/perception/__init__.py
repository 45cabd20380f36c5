"""Loss networks, perceptual losses and scores; training and painting share them."""
