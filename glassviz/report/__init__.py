"""Report: what the shipped data show, beside what the paper shows."""
