"""What a net reads: examples, batches, imagery and tables by survey."""
