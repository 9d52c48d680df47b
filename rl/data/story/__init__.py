"""Next-chapter rows."""
