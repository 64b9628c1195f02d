"""Figures of heads, trainings and measurements, whose colours suit colour-blind readers."""
