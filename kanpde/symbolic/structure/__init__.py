"""What a field is made of: its numerical structure and the functions that fit it."""
