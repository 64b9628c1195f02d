"""Aligned faces in folders: lists, splits, and the dataset that training reads."""
