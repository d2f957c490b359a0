"""Where the rows of a problem are taken, and how they are scaled and compared."""
