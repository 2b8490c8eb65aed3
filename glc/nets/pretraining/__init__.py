"""Self-supervised pre-training of a net's encoder."""
