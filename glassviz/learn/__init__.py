"""tGlassMLP: propensities predicted from structure, and how its networks are trained and kept."""
