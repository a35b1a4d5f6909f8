"""The views of the page, one module each; no view knows another."""
