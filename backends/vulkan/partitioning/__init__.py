"""What of a program becomes a delegate, and why the rest does not."""
