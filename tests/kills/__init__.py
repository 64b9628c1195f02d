"""Commands that are killed at random moments: what they write in the end is as if nothing had happened.

A handful of kills runs with the tests; `python -m tests.kills --times 100` runs as many as wanted.
"""
