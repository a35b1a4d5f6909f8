"""Long productions over many structures."""
