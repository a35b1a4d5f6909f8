"""Simulation: equilibrium configurations, inherent structures and isoconfigurational dynamics."""
