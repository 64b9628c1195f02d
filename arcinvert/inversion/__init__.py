"""Optimise images by gradient until a recogniser sees an identity in them."""
