"""What `picmend jobs stuck` and `picmend check` look at beside the database."""
