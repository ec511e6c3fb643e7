"""HTTP that the terminator answers itself: HTTP-01, redirects and error pages."""
