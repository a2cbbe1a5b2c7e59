"""Stacks by lifetime: data is kept, the API changes daily."""
