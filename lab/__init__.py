"""The lab: three hosts with real init systems, rolled out and proven with one command."""
