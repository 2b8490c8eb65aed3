"""What goes to Weights & Biases of finished experiments and tables, and the dashboard that shows it."""
