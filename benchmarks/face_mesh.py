"""Place MediaPipe's 478 landmarks on aligned faces; run by benchmarks.pose with a Python that has MediaPipe.

    python -m venv mediapipe && mediapipe/bin/pip install mediapipe==0.10.21
    mediapipe/bin/python benchmarks/face_mesh.py FACES.npy POINTS.npy

It is a script of its own, since MediaPipe needs an older numpy than this project. Version 0.10.21 is the last
whose wheel has the model, so that nothing is downloaded. FACES.npy has uint8 RGB crops of shape (n, 112, 112,
3); POINTS.npy gets float64 of shape (n, 478, 3): across, down and away from the camera, pixels of the crop,
NaN where no face is found.
"""

import sys

import cv2
import mediapipe
import numpy as np

#: The crop is widened by its edges, pixels, and enlarged: the detector needs a face with its surroundings.
MARGIN, ENLARGED = 56, 2
POINTS = 478


def main() -> None:
    """Read the faces, and write their landmarks."""
    crops = np.load(sys.argv[1])
    model = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.3
    )
    points = np.full((len(crops), POINTS, 3), np.nan)
    for place, crop in enumerate(crops):
        padded = np.pad(crop, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")
        enlarged = cv2.resize(padded, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
        found = model.process(enlarged).multi_face_landmarks
        if found:
            # They are in widths of the padded crop, depth too.
            points[place] = [(point.x, point.y, point.z) for point in found[0].landmark]
            points[place] *= len(padded)
            points[place, :, :2] -= MARGIN
    np.save(sys.argv[2], points)


if __name__ == "__main__":
    main()
