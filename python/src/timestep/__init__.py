"""Timestep."""
