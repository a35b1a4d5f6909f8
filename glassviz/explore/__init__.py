"""Explore: the page on which a glass is seen to move."""
