"""The report of one incident as people look at it afterwards: a picture, and a page around it."""
