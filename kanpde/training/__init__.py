"""Training from start to end: marching or descent, watched, checkpointed and resumed."""
