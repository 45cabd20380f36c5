"""Pictures changed: planes, colours, sizes, fields."""
