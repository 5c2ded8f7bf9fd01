"""Agents that outlive their process and their language."""
