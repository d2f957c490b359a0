"""Large tensor products on boxes: conditions built into the space, least squares by fast diagonalisation."""
