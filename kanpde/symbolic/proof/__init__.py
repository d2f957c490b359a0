"""Proof that a formula solves its problem: statement, identities, smoothness, bounds."""
