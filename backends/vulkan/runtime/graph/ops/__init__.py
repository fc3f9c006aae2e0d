"""The ops of programs."""
