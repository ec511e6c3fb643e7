"""Rules for the certificates of a bundle together: their order, their signatures, and the path to a trusted root."""
