"""An `sqlcmd` with the real tool's options, over Microsoft's own driver."""
