"""The other experiment: logits fitted to fixed discrete distributions."""
