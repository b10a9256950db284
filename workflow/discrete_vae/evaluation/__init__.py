"""Evaluation: discrete losses, bounds on the likelihood, and pictures."""
