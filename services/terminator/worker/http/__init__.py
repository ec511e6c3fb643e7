"""HTTP that the terminator answers itself: HTTP-01 (`http01`), redirects (`port80`) and error pages (`error_page`)."""
