"""Who calls, and who may."""
