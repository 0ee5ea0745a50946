"""A camera with a CA in its firmware and a plain web interface; README.md is its maker's description of that."""
