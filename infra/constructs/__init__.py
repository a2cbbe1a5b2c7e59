"""The few parts that the stacks are made of."""
