"""What runs the samples of the documentation."""
