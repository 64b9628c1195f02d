"""What is known of images and activations of faces, as penalties for each image of a batch.

An image prior is a function of images, (batch, 3, h, w) in [0, 1], to penalties, (batch,). A
statistics prior listens to a network's activations and says its penalty after the pass.
"""
