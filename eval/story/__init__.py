"""Next-chapter reasoning and writing (VR-CLI)."""
