"""What a picture's first bytes tell, format by format."""
