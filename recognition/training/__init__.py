"""Train ArcFace recognisers."""
