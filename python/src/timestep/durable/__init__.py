"""Durable runs: they outlive their process, and either language finishes them.

The contract is `spec/durable-runs.md`. What users need is exported by `timestep`.
"""
