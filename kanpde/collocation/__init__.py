"""The points at which a problem's rows are evaluated, the rows' scales, and the comparison with known solutions."""
