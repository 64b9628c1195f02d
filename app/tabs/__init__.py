"""A tab of the page each."""
