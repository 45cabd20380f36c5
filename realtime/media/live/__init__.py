"""Live sources and sinks: cameras, streams, screens, sound, windows, recordings."""
