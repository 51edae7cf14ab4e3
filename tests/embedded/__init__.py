"""Private servers, for real: every test starts some, and kills whom it must."""
