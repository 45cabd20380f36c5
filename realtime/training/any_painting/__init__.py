"""Training of the network that takes any painting (`realtime.transnet.hypernetwork`)."""
