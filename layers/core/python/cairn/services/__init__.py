"""One function per use-case: (stores, caller, request) -> answer."""
