"""`picmend jobs show`: all that is known of one job, in order of time."""
