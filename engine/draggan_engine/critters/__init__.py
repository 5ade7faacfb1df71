"""The bundled model's world: heads of four kinds of toy animals with a known geometry."""

from draggan_engine.critters.scene.scene import landmarks_of_seed

__all__ = ["landmarks_of_seed"]
