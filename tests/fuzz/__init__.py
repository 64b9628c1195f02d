"""A mutation fuzzer of every reader: `python -m tests.fuzz --minutes 60`, see docs/security.md."""
