"""Synthetic sets: labelled faces of nobody, made by inversion of a network along directions of its own."""
