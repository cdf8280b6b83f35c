"""What `picmend demo` shows: photographs, their way through the system, a page, a proof."""
