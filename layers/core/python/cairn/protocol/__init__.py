"""MLflow's wire: messages, routes, and the JSON of answers."""
