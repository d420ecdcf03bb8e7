"""What runs in the other regions: the heart in the primary, the witness in a third. Small, and without the desk."""
