"""The local server: HTTP -> API Gateway event -> the same handlers. Left out of the layer."""
