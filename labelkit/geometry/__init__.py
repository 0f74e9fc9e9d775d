"""Pure functions on arrays: boxes, run-length masks, rasterisers, outlines.

Coordinates are pixels in float64. The origin is the outer corner of the top-left pixel, x grows to the
right, y grows down, and areas are half-open: the first pixel covers [0, 1) in x and in y.
"""
