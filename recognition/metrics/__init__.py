"""Verification and identification figures of a recogniser."""
