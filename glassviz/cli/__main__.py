"""`python -m glassviz.cli`, the same as `glassviz`."""

from glassviz.cli import main

main()
