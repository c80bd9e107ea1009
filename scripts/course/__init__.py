"""What makes and measures the course."""
