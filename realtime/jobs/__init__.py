"""The jobs: a film, pictures, a folder, a camera; options in, results out."""
