"""Scores, and the ways to make them: from fine-tuned fits, or from arrays of log-probabilities."""
