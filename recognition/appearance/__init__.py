"""Pose and expression of aligned faces: measured by landmarks, and predicted by a network with gradients."""
