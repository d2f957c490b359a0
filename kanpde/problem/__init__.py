"""What must vanish: the equation, its conditions and the solutions that are known."""
