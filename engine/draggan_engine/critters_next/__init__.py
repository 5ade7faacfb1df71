"""The bundled model's next world: four kinds of animals. It takes the place of `draggan_engine.critters` when a generator
has learned it."""

from .scene import landmarks_of_seed

__all__ = ["landmarks_of_seed"]
