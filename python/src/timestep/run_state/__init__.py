"""Saved runs: their document, the way to and from the SDK, and the store that keeps them."""
