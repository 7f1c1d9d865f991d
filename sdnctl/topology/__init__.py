"""The graphs that people and routing look at: the underlay's cables, the overlay's reach."""
