"""Cairn beside MLflow's own server: the same requests, asserted answers, one report."""
