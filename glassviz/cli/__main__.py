"""`python -m glassviz.cli`, the same as `glassviz`."""

from glassviz.cli import main

if __name__ == "__main__":  # worker processes of a campaign import this module
    main()
