package cli

// version is set at link time.
var version = "unknown"
