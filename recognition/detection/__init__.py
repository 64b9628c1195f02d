"""Detect faces, align them, follow them through films."""
