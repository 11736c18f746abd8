"""pd-doctor: PagerDuty's troubleshooting guide as a program."""
