"""Conversion of pictures: planes, colours, sizes, fields."""
