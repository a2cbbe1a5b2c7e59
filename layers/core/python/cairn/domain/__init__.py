"""Pure rules of MLflow: entities, limits, life-cycle, metrics. Imports errors and ids alone."""
