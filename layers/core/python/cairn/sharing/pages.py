"""The headers of pages and their files on the browser's front, for whoever sends them.

MLflow's UI needs more of a policy than Cairn's own pages: its styles are made by its scripts, its workers
are blobs, and what a run's artifact holds comes from the bucket, to which a presigned URL sends it. Nothing
of it allows a script that is not a file of this origin.
"""

from collections.abc import Mapping, Sequence

IMMUTABLE = "public, max-age=31536000, immutable"
"""Of files whose name has a hash of their content."""
ASK_AGAIN = "no-cache"


def stock_policy(hosts: Sequence[str]) -> str:
    """MLflow's UI; ``hosts`` is where artifacts come from, beside this origin."""
    places = " ".join(("'self'", "data:", "blob:", *(f"https://{host}" for host in hosts)))
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self' 'unsafe-inline'",  # emotion and plotly write style elements
            "img-src 'self' data: blob: https:",  # notes are Markdown, with pictures from anywhere
            f"media-src {places}",
            "font-src 'self' data:",
            f"connect-src {places}",
            "worker-src 'self' blob:",
            "frame-src 'self' data: blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def bucket_host(bucket: str, region: str, suffix: str = "") -> str:
    """Where its presigned URLs lead (``artifacts.client`` asks for this form). ``suffix``: the partition's,
    where the region is not known yet."""
    known = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{bucket}.s3.{region}.{suffix or known}"


def headers(policy: str, cache: str) -> Mapping[str, str]:
    """Of a page or a file, but for its type."""
    return {
        "Cache-Control": cache,
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Strict-Transport-Security": "max-age=31536000",
    }
