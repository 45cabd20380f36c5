"""What the user names as a style: a name, a file, any picture, a blend, a timeline."""
