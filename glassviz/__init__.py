"""Structure, dynamics and machine-learned propensity of a two-dimensional glass former."""
