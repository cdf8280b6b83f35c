"""The Faust app: one thin agent per file, and the tasks beside them."""
