"""Generated clips, for the demo, for benchmarks and for tests."""
