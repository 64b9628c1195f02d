"""Networks of public projects that this project does not train, under their files' parameter names."""
