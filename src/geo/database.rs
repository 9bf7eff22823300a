//! The MaxMind reader (cold).
