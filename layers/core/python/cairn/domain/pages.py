"""The Content-Security-Policy of pages that are Cairn's own, wherever they are served."""

OWN_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Scripts and styles of the page's own origin alone, none inline; in no frame."""
