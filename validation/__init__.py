"""What the project's numbers are compared with, and how to regenerate it."""
