"""Databases of templates, in whatever form projects store them; nothing in them is ever run.

A reader is a module of this package that yields the rows of a file block by block, so that no file takes much
more memory than it has bytes.
"""
