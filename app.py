from glassviz.explore.page import build

build().servable(location=False)
