"""Learning: the training of a decoder from templates to faces with the attacked network."""
