"""Training from start to end: a march or a descent, with callbacks, checkpoints and resumption."""
