"""How work on a picture is cut up and run."""
