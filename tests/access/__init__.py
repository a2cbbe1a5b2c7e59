"""Who may do what: decisions, boundaries and attacks."""
