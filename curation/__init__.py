"""Decides: what the detector is bad at, what to do about it, and whether that worked."""
