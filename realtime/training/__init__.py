"""Training of style networks, and their evaluation."""
