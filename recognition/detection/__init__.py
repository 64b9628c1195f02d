"""Detection and alignment of faces, and tracking through films."""
