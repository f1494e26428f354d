"""Reads refine.bio downloads: finds, checks and melts them. It knows no warehouse."""
