"""Searching: what a filter may say and what it means."""
