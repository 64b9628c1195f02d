"""Whether a reconstruction preserves the identity, by recognisers that were not attacked."""
