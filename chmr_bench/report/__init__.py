"""What a board shows: figures as printed, measured rows, and the text of the tables."""
