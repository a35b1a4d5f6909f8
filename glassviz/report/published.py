"""Published numbers that stand beside ours: Pearson correlations on the same mixture at T = 0.30.

GlassBench, KA2D, bond-breaking propensity of species 1 (doi 10.5281/zenodo.10118191; Jung et al., "Roadmap on machine
learning glassy dynamics", Nat. Rev. Phys. 7, 91 (2025)): networks trained at each time on 150 structures, 20 replicas.
"""

import pandas as pd

CITATION = "GlassBench, doi 10.5281/zenodo.10118191 (networks trained at each time on 150 structures)"
TEMPERATURE = 0.30
PEARSON = pd.DataFrame(
    {
        "time": [1.25, 14.14, 158.74, 1781.79, 20000.0],
        "GlassMLP": [-0.009, 0.186, 0.413, 0.666, 0.767],
        "SE3": [0.512, 0.479, 0.577, 0.725, 0.797],
        "BOTAN": [0.556, 0.556, 0.620, 0.715, 0.788],
        "CAGE": [0.220, 0.360, 0.545, 0.681, 0.729],
        "ceiling": [0.962, 0.939, 0.930, 0.935, 0.924],
    }
)
MARKERS = {"GlassMLP": "s", "SE3": "^", "BOTAN": "v", "CAGE": "D"}
