"""`arcinvert audit`: can templates or class centres be turned into faces that pass?

From a plan (`options`) to figures on disk (`store`), to one JSON description (`assemble`), to the same
report as HTML, PDF and Markdown (`report`). `run.audit` puts the parts together.
"""
