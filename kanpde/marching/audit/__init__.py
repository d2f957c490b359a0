"""Judge a solution after a run: estimate its error, look for features and directions that training cannot see."""
