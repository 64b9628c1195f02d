"""Aligned faces: readers, folders, lists, splits, and the dataset that training reads."""
