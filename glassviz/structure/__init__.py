"""From inherent structures to descriptors."""
