"""What people look at: pages made from the book, without any I/O of their own."""
