"""Scripts for maintainers: measurements and tables of the documentation. Not part of the package."""
