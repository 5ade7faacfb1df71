"""Find the latent of a photograph: alignment with the images of a model, and optimisation of the latent."""
