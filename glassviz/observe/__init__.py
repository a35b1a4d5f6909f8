"""What is measured on a propensity field: heterogeneity, its lengths, and agreement with the dynamics."""
