"""What is shown while something runs: tables and notes, bars and lines."""
