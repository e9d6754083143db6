//! Mail servers: real ones started for a test, and scripted ones that behave as badly as some providers do.
