import numpy as np
import pytest

from glassviz import mixture


@pytest.fixture(scope="session")
def make_configurations():
    """Factory: configurations of random positions at the mixture's density and composition (N a multiple of 43)."""

    def make(samples=1, particles=43, seed=0, replicas=0, **parts):
        generator = np.random.default_rng(seed)
        length = mixture.box_length(particles)
        species = np.repeat([0, 1, 2], mixture.species_counts(particles))
        vector = (samples, particles, 2)
        content = {
            "inherent_position": generator.random(vector) * length,
            "energy": generator.normal(-2.5, 1.0, vector[:2]),
            "inherent_energy": generator.normal(-2.9, 1.0, vector[:2]),
            "names": [f"c{index:05d}" for index in range(samples)],
            "seed": seed,
            "provenance": "glassviz equilibrate --temperature 0.3",
        }
        if replicas:
            content["replica_position"] = generator.normal(0, 50, (samples, replicas, particles, 2))
        return mixture.configurations(
            generator.random(vector) * length,
            np.stack([generator.permutation(species) for _ in range(samples)]),
            length,
            0.3,
            **content | parts,
        )

    return make
