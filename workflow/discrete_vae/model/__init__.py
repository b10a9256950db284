"""The model: networks, noise laws and the probabilities of codes."""
