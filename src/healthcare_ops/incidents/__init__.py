"""What is wrong, why, and what may be done about it: decisions that others carry out."""
