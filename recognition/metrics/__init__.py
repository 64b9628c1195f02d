"""Verification, identification, angles and calibrated thresholds of recognisers."""
