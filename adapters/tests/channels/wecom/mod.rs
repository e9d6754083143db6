//! WeChat Work: bot, app and robots.

// W1's:
mod vectors;

// W2's:
