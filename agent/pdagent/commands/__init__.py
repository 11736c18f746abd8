"""The commands: arguments in, exit code out. One file a command."""
