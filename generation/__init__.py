"""Makes labelled pictures on request, and judges them."""
