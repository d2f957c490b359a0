"""From a solution to a formula: structure, candidates, constants, and the proof by computer algebra."""
